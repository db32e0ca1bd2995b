-- grain:  one row per (t, sid) with a bar in the chunk
-- reads:  temp.bars and the known values at them
-- params: :columns, :joins
-- The signals of a chunk as rows, for what dense arrays cannot hold: text and times.
with

signals as (
    select
        bars.t,
        :columns
    from temp.bars as bars
    :joins
)

select * from signals
