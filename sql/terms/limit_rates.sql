-- grain:  one row per row of the source whose price limit cannot be what it says
-- reads:  :source
-- params: none
-- NaN and NULL are no limit. A close beyond its limit by more than rounding says that the rate or
-- the previous close is of something else: of another board, or not restated on an ex-date.
with

limits as (
    select
        timestamp,
        asset_id,
        close,
        prev_close::double as prev_close,
        limit_rate::double as limit_rate
    from :source
    where isfinite(limit_rate::double)
)

select *
from limits
where
    not coalesce(
        limit_rate > 0
        and limit_rate < 1
        and isfinite(prev_close)
        and prev_close > 0
        and abs(close - prev_close) <= (limit_rate + 0.01) * prev_close + 0.01,
        false
    )
