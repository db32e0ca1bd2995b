-- grain:  one row
-- reads:  nothing
-- params: $lag
-- Whether a lag is counted in months. Such a lag is not one-to-one: 29, 30 and 31 January all
-- fall on the last of February.
select
    datepart('year', $lag::interval) * 12 + datepart('month', $lag::interval)
    > 0 as has_months
