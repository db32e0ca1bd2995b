-- grain:  one row per row of :rows
-- reads:  :rows
-- params: :length is that of a bar, :kind the type of its time
-- A bar that is stamped at its open is complete at its end.
select * replace (cast(timestamp + cast(:length as interval) as :kind) as timestamp)
from (:rows)
