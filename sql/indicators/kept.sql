-- grain:  one row per row of :source that on_bad_rows='drop' will keep
-- reads:  :source
-- params: :checks and :duplicates are queries over sound and numbered that select bad rows
-- An indicator is made when it is asked for, bad rows are dropped when all sources are there: it
-- must not be made of prices that no run will see.
with

numbered as materialized (
    select
        row_number() over () as __row_id,
        *
    from :source
),

sound as materialized (
    select *
    from numbered
    where __row_id not in (select __row_id from (:checks))
)

select * exclude (__row_id) from sound
where __row_id not in (select __row_id from (:duplicates))
