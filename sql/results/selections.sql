-- grain:  one row per ranked candidate at a decision
-- reads:  staged_selections, stage.timeline, stage.assets
-- params: $run_id
-- What the ranking put forward, whether or not an order came of it.
create table selections as
select
    $run_id::varchar as run_id,
    timeline.timestamp,
    assets.asset_id,
    staged.rank::integer as rank,
    -- What was not said comes as NaN.
    case when isfinite(staged.score) then staged.score end as score,
    case when isfinite(staged.weight) then staged.weight end as weight
from staged_selections as staged
inner join stage.timeline as timeline on staged.t = timeline.t
inner join stage.assets as assets on staged.sid = assets.sid
order by staged.t asc, staged.rank asc
