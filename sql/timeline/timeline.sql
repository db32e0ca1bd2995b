-- grain:  one row per distinct timestamp of prices; a NULL timestamp keeps a row of its own
-- reads:  main.prices
-- params: :ohlc names the price columns, a missing one replaced by its harmless stand-in;
--         :tolerance as in the checks of ranges
-- One scan gives the bars, and counts the rows that some check will refuse and those without
-- volume, on which nothing can trade.
create or replace table stage.timeline as
with

bars as (
    select
        timestamp,
        asset_id,
        :ohlc
    from main.prices
),

counted as (
    select
        timestamp,
        count(*) as n_rows,
        -- NaN sorts above infinity, so one chain of comparisons also refuses NaN.
        count(*) filter (
            where asset_id is null
            or not coalesce(
                low > 0
                and open > 0
                and close > 0
                and high > 0
                -- Not least(open, close), which skips a NULL.
                and low - :tolerance * low <= open
                and low - :tolerance * low <= close
                and high + :tolerance * high >= open
                and high + :tolerance * high >= close
                and high < 'infinity'::double
                and isfinite(timestamp),
                false
            )
            or not coalesce(volume >= 0 and volume < 'infinity'::double, true)
        ) as n_suspect,
        count(*) filter (where volume = 0) as n_halted
    from bars
    group by timestamp
),

numbered as (
    select
        (row_number() over (order by timestamp asc nulls last) - 1)::integer as t,
        timestamp,
        n_rows,
        n_suspect,
        n_halted
    from counted
)

select * from numbered
