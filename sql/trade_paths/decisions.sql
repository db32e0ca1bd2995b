-- grain:  one row per decision about an asset
-- reads:  decisions
-- params: none
-- What rules and limits did, as page/trade says it.
select
    asset_id,
    timestamp,
    case
        when action in ('stop', 'target') then 'level'
        else 'decision'
    end as kind,
    case when action in ('stop', 'target') then level end as price,
    rule || ': ' || coalesce(reason, action) as note
from main.decisions
where asset_id is not null
order by asset_id asc, timestamp asc, kind asc, price asc, note asc
