-- grain:  one row per flow of cash that is no fill
-- reads:  stage.timeline, stage.assets
-- params: $run_id, $initial_capital
-- The capital paid in at the start; dividends and the like follow with corporate actions.
create table cash_flows as
select
    $run_id::varchar as run_id,
    timeline.timestamp,
    (
        select any_value(asset_id) from stage.assets
        where false
    ) as asset_id,
    'deposit'::varchar as kind,
    $initial_capital::double as amount
from stage.timeline as timeline
where timeline.t = 0
