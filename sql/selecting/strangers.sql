-- grain:  one row per row of the user's query that names no asset with a bar
-- reads:  :answered, :bars
-- params: none
-- The first assets of a query that could not be traded, for the message.
select
    answered.timestamp::varchar as bar,
    answered.asset_id::varchar as asset_id,
    count(*) over () as n_rows
from (:answered) as answered
anti join :bars as bars
    on
        answered.timestamp = bars.timestamp
        and answered.asset_id = bars.asset_id
order by answered.timestamp asc nulls first, answered.asset_id asc nulls first
limit 3
