-- grain:  one row per session with a selection and asset
-- reads:  selections, equity
-- params: none
-- Of several selections in one session the last. What a query chose without a score is left out.
with

last_ones as (
    select
        equity.session,
        max(selections.timestamp) as timestamp
    from selections
    inner join equity on selections.timestamp = equity.timestamp
    group by equity.session
)

select
    last_ones.session,
    selections.asset_id,
    selections.score
from last_ones
inner join selections on last_ones.timestamp = selections.timestamp
where selections.score is not null
order by last_ones.session asc, selections.asset_id asc
