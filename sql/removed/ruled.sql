-- grain:  one row per asset and bar of the run, members of the universe alone
-- reads:  :rules, :ordered, :ended, :forward, stage.timeline, stage.assets
-- params: :target, :is_run, $first_t, $last_t
-- What became of each candidate of entry rules: the first rule on signals and context that says no,
-- and of those that all let in what a run then did not buy; NULL for what was bought. What each made
-- until the next bar, at which it is decided again.
create or replace temp table :target as
select
    timeline.timestamp,
    assets.asset_id,
    null::double as score,
    case
        when rules.reason is not null then 'rule: ' || rules.reason
        when not rules.may_enter then 'a column of the sizer is missing'
        when ended.why is not null then ended.why
        when not :is_run or ordered.is_entry then null
        when ordered.is_entry is null
            then 'held or ordered already, or a rule on the position'
        else 'it was leaving'
    end as reason,
    case when isfinite(forward.value) then forward.value end as forward_return
from (:rules) as rules
inner join stage.timeline as timeline on rules.timestamp = timeline.timestamp
inner join stage.assets as assets on rules.asset_id = assets.asset_id
left join :ordered as ordered
    on
        timeline.timestamp::varchar = ordered.timestamp
        and assets.asset_id::varchar = ordered.asset_id
left join :ended as ended
    on
        timeline.timestamp::varchar = ended.timestamp
        and assets.asset_id::varchar = ended.asset_id
left join :forward as forward on timeline.t = forward.t and assets.sid = forward.sid
where timeline.t between $first_t and $last_t
