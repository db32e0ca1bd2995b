-- grain:  one row per bar
-- reads:  trades
-- params: none
-- Bars at which a rule, or what happened to an asset, closed a position.
select distinct exit_timestamp::varchar as bar
from trades
where exit_timestamp is not null and exit_rule <> 'rebalance'
order by bar asc
