-- grain:  one row per horizon
-- reads:  :ic, :spread, :scores
-- params: :target
-- formula: ir = mean / sample standard deviation (divisor n - 1), per decision, not annualised;
--          t_stat = ir * sqrt(n), of the mean against 0, decisions taken as independent;
--          newey_west_t = mean / sqrt(S / n), S = c0 + 2 * sum over l of (1 - l / (L + 1)) * cl,
--          cl = sum of products of deviations l decisions apart / n,
--          L = ceil(horizon / mean number of bars between decisions) - 1: so many overlap
-- source:  Newey and West, Econometrica 55, 1987; Grinold and Kahn, 2000
-- How the information decays over horizons. Returns over several bars overlap, which t_stat (as in
-- alphalens-reloaded 0.5.1) takes no account of: there newey_west_t is the one to read.
create or replace temp table :target as
with

pace as (
    select (max(t) - min(t)) / greatest(count(distinct t) - 1, 1) as n_bars
    from :scores
),

numbered as (
    select
        ic.horizon,
        ic.ic,
        ic.rank_ic,
        ic.rank_ic - avg(ic.rank_ic) over (partition by ic.horizon) as deviation,
        row_number() over (partition by ic.horizon order by ic.timestamp) as decision,
        ceil(ic.horizon / greatest(pace.n_bars, 1)) - 1 as n_lags
    from :ic as ic
    cross join pace
),

lagged as (
    select
        later.horizon,
        sum(
            (case when later.decision = earlier.decision then 1 else 2 end)
            * (1 - (later.decision - earlier.decision) / (later.n_lags + 1))
            * later.deviation * earlier.deviation
            order by later.decision, earlier.decision
        ) as covariance
    from numbered as later
    inner join numbered as earlier
        on
            later.horizon = earlier.horizon
            and earlier.decision >= later.decision - later.n_lags
            and later.decision >= earlier.decision
    group by later.horizon
),

correlated as (
    select
        horizon,
        count(rank_ic) as n_decisions,
        avg(ic) as mean_ic,
        stddev_samp(ic) as std_ic,
        count(ic) as n_ic,
        avg(rank_ic) as mean_rank_ic,
        stddev_samp(rank_ic) as std_rank_ic,
        count(*) filter (where rank_ic > 0)
        / nullif(count(rank_ic), 0) as positive_share
    from numbered
    group by horizon
),

spreads as (
    select
        horizon,
        avg(spread) as mean_spread,
        stddev_samp(spread) as std_spread,
        count(*) as n_spreads
    from :spread
    group by horizon
)

select
    correlated.horizon,
    correlated.n_decisions,
    correlated.mean_ic,
    correlated.std_ic,
    correlated.mean_ic / nullif(correlated.std_ic, 0) as ic_ir,
    correlated.mean_ic / nullif(correlated.std_ic, 0)
    * sqrt(correlated.n_ic) as ic_t_stat,
    correlated.mean_rank_ic,
    correlated.std_rank_ic,
    correlated.mean_rank_ic / nullif(correlated.std_rank_ic, 0) as rank_ic_ir,
    correlated.mean_rank_ic / nullif(correlated.std_rank_ic, 0)
    * sqrt(correlated.n_decisions) as rank_ic_t_stat,
    case
        when lagged.covariance > 0
            then
                correlated.mean_rank_ic * correlated.n_decisions
                / sqrt(lagged.covariance)
    end as rank_ic_newey_west_t,
    correlated.positive_share,
    spreads.mean_spread,
    spreads.mean_spread / nullif(spreads.std_spread, 0)
    * sqrt(spreads.n_spreads) as spread_t_stat
from correlated
left join lagged on correlated.horizon = lagged.horizon
left join spreads on correlated.horizon = spreads.horizon
order by correlated.horizon asc
