-- grain:  a condition on a row of prices
-- reads:  :decided
-- params: none
-- Something was decided of the asset at the bar.
exists(
    select 1
    from :decided as decided
    where
        decided.timestamp = prices.timestamp
        and decided.asset_id = prices.asset_id
)
