-- grain:  one row per (timestamp, asset_id) that was ranked by what was not its newest known score
-- reads:  selections, scores
-- params: none
-- No row is a pass: every score ranked was known at its bar, and no newer one was.
with

known as (
    select
        selections.timestamp,
        selections.asset_id,
        selections.score as ranked_score,
        scores.score as known_score,
        scores.available_at
    from selections
    asof left join scores
        on
            selections.asset_id = scores.asset_id
            and selections.timestamp >= scores.available_at
)

select * from known
where known_score is distinct from ranked_score
order by timestamp asc, asset_id asc
