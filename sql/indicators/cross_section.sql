-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :prices, the known rows of the sources that :joins names
-- params: :value, :group_value, :joins
-- A column, and what groups it, as they were known at each bar. What is not finite takes no
-- part: NaN sorts above every number in DuckDB.
with

known as (
    select
        prices.timestamp,
        prices.asset_id,
        (:value)::double as value,
        (:group_value) as group_value
    from :prices as prices
    :joins
)

select
    timestamp,
    asset_id,
    value,
    group_value,
    coalesce(isfinite(value) and group_value is not null, false) as is_ranked
from known
