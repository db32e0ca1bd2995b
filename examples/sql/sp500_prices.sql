-- grain:  one row per (timestamp, asset_id)
-- reads:  raw_prices
-- params: none
-- A split is applied from its day on and never before it: the price at a bar is what
-- one share of the first bar has become, and depends on no later split. To adjust
-- backwards, as most vendors do, would let a later split set today's price.
create or replace table prices as
with

grown as (
    select
        timestamp,
        asset_id,
        open,
        high,
        low,
        close,
        volume,
        product(split) over (
            partition by asset_id
            order by timestamp asc
            rows between unbounded preceding and current row
        ) as n_shares
    from raw_prices
)

select
    timestamp,
    asset_id,
    open * n_shares as open,
    high * n_shares as high,
    low * n_shares as low,
    close * n_shares as close,
    volume / n_shares as volume
from grown
order by timestamp asc, asset_id asc
