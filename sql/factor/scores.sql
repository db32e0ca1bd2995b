-- grain:  one row per decision bar and asset with a finite factor
-- reads:  :scored, what a ranking says of each bar of an asset
-- params: :target, :group_name, $n_quantiles
-- The factor as it was known at the decision, its rank and its quantile. Ranks count from 1, the
-- lowest factor first, ties at the mean of theirs. Quantiles as pandas.qcut has them: with n
-- assets the edge k of q lies at place k * (n - 1) / q of the sorted factors, from 0. Equal
-- factors are in one quantile, the lower, and a quantile may be empty; qcut raises there.
create or replace temp table :target as
with

kept as (
    select
        t,
        sid,
        __score as factor,
        (:group_name)::varchar as group_name
    from (:scored)
    -- NaN sorts above every number in DuckDB: it would be the best of all.
    where coalesce(__is_eligible and isfinite(__score), false)
),

decisions as (
    select
        t,
        row_number() over (order by t) as decision
    from (select distinct t from kept)
),

placed as (
    select
        kept.*,
        decisions.decision,
        rank() over by_factor as lowest_rank,
        count(*) over (
            partition by kept.t
            order by kept.factor
            range between current row and current row
        ) as n_tied,
        count(*) over (partition by kept.t) as n_assets
    from kept
    inner join decisions on kept.t = decisions.t
    window by_factor as (partition by kept.t order by kept.factor)
)

select
    t,
    decision,
    sid,
    factor,
    group_name,
    n_assets,
    -- Twice the rank is whole, so that sums of ranks are exact in any order.
    2 * lowest_rank + n_tied - 1 as double_rank,
    case
        when n_assets > 1 then greatest(
            1,
            ($n_quantiles * (lowest_rank - 1) + n_assets - 2) // (n_assets - 1)
        )::integer
    end as quantile
from placed
