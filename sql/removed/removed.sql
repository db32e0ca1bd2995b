-- grain:  one row per asset and decision bar that could be ranked, members of the universe alone
-- reads:  :scored, :chosen, :ended, :forward, stage.timeline, stage.assets
-- params: :target, :by, :within, :n
-- What became of each candidate, and what it made until the next decision: the first reason that
-- keeps it out, NULL for what was held.
create or replace temp table :target as
with

scored as (
    select
        t,
        sid,
        __score,
        __filter,
        __group,
        coalesce(isfinite(__score), false) as __is_number
    from (:scored)
)

select
    timeline.timestamp,
    assets.asset_id,
    case when scored.__is_number then scored.__score end as score,
    case
        when chosen.sid is not null then ended.why
        when scored.__filter is not null then 'where: ' || scored.__filter
        when not scored.__is_number then :by || ' is no number'
        when scored.__group is null then :within || ' is NULL'
        else 'not among ' || :n
    end as reason,
    case when isfinite(forward.value) then forward.value end as forward_return
from scored
inner join stage.timeline as timeline on scored.t = timeline.t
inner join stage.assets as assets on scored.sid = assets.sid
left join :chosen as chosen on scored.t = chosen.t and scored.sid = chosen.sid
left join :ended as ended
    on
        timeline.timestamp::varchar = ended.timestamp
        and assets.asset_id::varchar = ended.asset_id
left join :forward as forward on scored.t = forward.t and scored.sid = forward.sid
