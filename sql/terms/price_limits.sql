-- grain:  one row per row of the source that has the limit
-- reads:  :source
-- params: :limit_value, :least, :most
-- A price limit beside the close that it holds for: whether it could be a flag, and whether it
-- could be a price, which is a matter of its distance. NaN and NULL are no limit.
with

limits as (
    select
        timestamp,
        asset_id,
        close,
        cast(:limit_value as double) as price_limit
    from :source
    where isfinite(cast(:limit_value as double))
)

select
    *,
    price_limit in (0, 1) as is_flag,
    price_limit between :least * close and :most * close as is_price
from limits
