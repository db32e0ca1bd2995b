-- grain:  at most one row
-- reads:  :source
-- params: none
-- The first time that has several rows: without an asset_id these cannot be told apart.
select timestamp
from :source
where timestamp is not null
group by timestamp
having count(*) > 1
order by timestamp asc
limit 1
