-- grain:  one row per (t, sid) with a bar in the chunk
-- reads:  :cells, stage.timeline, stage.assets
-- params: :columns, :joins, :first_t, :n_assets
-- Dense arrays of a chunk as rows. DuckDB reads a NaN in an array as NULL, and a scan of arrays
-- in any order: each cell says where it belongs.
with

cells as (
    select
        *,
        (:first_t + __cell // :n_assets)::integer as __t,
        (__cell % :n_assets)::integer as __sid
    from :cells
    where __has_bar
),

signals as (
    select
        cells.__t as t,
        :columns
    from cells
    :joins
)

select * from signals
