-- grain:  one row per decision bar and asset with a finite factor
-- reads:  :scores
-- params: :target
-- Rank and quantile beside those at the decision before; NULL where the asset had no factor there.
create or replace temp table :target as
with

lagged as (
    select
        t,
        decision,
        sid,
        quantile,
        double_rank,
        lag(decision) over by_asset as last_decision,
        lag(quantile) over by_asset as last_quantile,
        lag(double_rank) over by_asset as last_double_rank
    from :scores
    window by_asset as (partition by sid order by decision)
)

select
    t,
    decision,
    sid,
    quantile,
    double_rank,
    case when last_decision = decision - 1 then last_quantile end as last_quantile,
    case when last_decision = decision - 1 then last_double_rank end as last_double_rank
from lagged
where decision > 1
