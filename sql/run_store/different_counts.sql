-- grain:  one row
-- reads:  :source, what differs in a table of two runs
-- params: :label, the name of the table, :time, its column, $one and $other, the names of the runs
-- How many rows one run alone has, and from when on.
select
    :label as table_name,
    count(*) filter (where run = $one::varchar) as n_only_one,
    count(*) filter (where run = $other::varchar) as n_only_other,
    min(:time) as first_timestamp
from :source
