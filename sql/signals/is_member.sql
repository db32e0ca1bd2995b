-- grain:  a condition on a row of prices
-- reads:  main.universe
-- params: none
-- Membership as of the bar: start_date inclusive, end_date exclusive, NULL = still in.
exists(
    select 1
    from main.universe
    where
        universe.asset_id = prices.asset_id
        and universe.start_date <= prices.timestamp
        and (universe.end_date is null or prices.timestamp < universe.end_date)
)
