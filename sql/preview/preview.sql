-- grain:  one row per asset with a bar at the timestamp
-- reads:  :shown, :placed, :chosen
-- params: $kind, $skipped, $within, $is_ranked, :target, :kind
-- What would be held, and why all else would not: the first reason that applies.
create or replace temp table :target as
with

joined as (
    select
        shown.asset_id,
        shown.is_member,
        placed.score as ranked_score,
        placed.filter_text,
        placed.group_text,
        case when placed.is_ranked then placed.place end as ranked_place,
        placed.n_kept,
        placed.share_text,
        chosen.sid is not null as is_chosen,
        chosen.position,
        -- What was not said comes as NaN.
        case when isfinite(chosen.score) then chosen.score end as score,
        chosen.amount
    from :shown as shown
    left join :placed as placed on shown.sid = placed.sid
    left join :chosen as chosen on shown.sid = chosen.sid
),

explained as (
    select
        asset_id,
        coalesce(score, ranked_score) as score,
        coalesce(ranked_place, position) as rank,
        amount,
        case
            when $skipped::varchar is not null then $skipped::varchar
            when not is_member then 'no member'
            when is_chosen and (amount > 0 or (amount < 0 and $kind <> 'signal'))
                then null
            when is_chosen then $kind || ' ' || amount
            when $is_ranked and filter_text is not null then 'where: ' || filter_text
            when $is_ranked and not coalesce(isfinite(ranked_score), false)
                then 'score is NULL or NaN'
            when $is_ranked and group_text is null
                then $within::varchar || ' is NULL'
            when $is_ranked and ranked_place > n_kept
                then 'rank ' || ranked_place || ' of ' || n_kept || share_text
            else 'not returned by the query'
        end as reason
    from joined
)

select
    asset_id,
    score,
    rank,
    amount as :kind,
    reason is null as is_held,
    reason
from explained
