-- grain:  one row per row of the source that is beyond the price limit of its market
-- reads:  :source
-- params: $rate, the limit as a fraction of the previous close
-- A previous close that is NaN or NULL is no limit. A close beyond its limit by more than rounding
-- says that the rate or the previous close is of something else.
select
    timestamp,
    asset_id,
    close,
    prev_close::double as prev_close
from :source
where
    isfinite(prev_close::double)
    and not (
        prev_close > 0
        and abs(close - prev_close) <= ($rate + 0.01) * prev_close + 0.01
    )
