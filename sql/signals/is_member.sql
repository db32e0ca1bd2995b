-- grain:  a condition on a row of prices
-- reads:  :universe
-- params: :universe
-- Membership as of the bar: start_date inclusive, end_date exclusive, NULL = still in.
exists(
    select 1
    from :universe as universe
    where
        universe.asset_id = prices.asset_id
        and universe.start_date <= prices.timestamp
        and (universe.end_date is null or prices.timestamp < universe.end_date)
)
