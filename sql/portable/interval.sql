-- grain:  one row
-- reads:  nothing
-- params: $interval
-- The parts of an interval that add up on their own: months, days and microseconds.
select
    (datepart('year', $interval::interval) * 12)
    + datepart('month', $interval::interval) as n_months,
    datepart('day', $interval::interval) as n_days,
    (datepart('hour', $interval::interval) * 3600000000)
    + (datepart('minute', $interval::interval) * 60000000)
    + datepart('microsecond', $interval::interval) as n_microseconds
