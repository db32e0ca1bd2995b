-- grain:  one row
-- reads:  report.bar_returns, report.sharpe_moments
-- params: none
-- The shape of the returns per bar: of a day where bars are days, of five minutes where they are
-- those. Nothing here is annual. Losses are negative, as they are in returns.
-- value_at_risk: the 5% quantile, interpolated (empyrical 0.7.1 too; quantstats 0.0.86 takes the
-- quantile of a normal distribution instead, skfolio 1.12.2 the next return above, without its
-- sign). conditional_value_at_risk: mean of the (n - 1) // 20 + 1 lowest, those at or below it
-- (empyrical; quantstats with method='historical', but for ties; its default is that of a normal
-- distribution; skfolio weighs the last of them, and has the sign of a loss). skew, kurtosis: see
-- report.sharpe_moments; kurtosis is in excess of the normal distribution's 3. tail_ratio:
-- |95% quantile / 5% quantile| (empyrical, quantstats). omega: sum of what is above the risk-free
-- return / sum of what is below it (Keating and Shadwick 2002, A universal performance measure);
-- NULL where nothing is below. probabilistic_sharpe: how likely the true Sharpe ratio is above 0,
-- N(s * sqrt(n - 1) / sqrt(1 - skew * s + (kurtosis + 2) / 4 * s ** 2)), s per bar (Bailey and
-- Lopez de Prado 2012, The Sharpe ratio efficient frontier; quantstats, ffn). N by its series
-- (Marsaglia 2004, Evaluating the normal distribution), as DuckDB has none.
with

returns as (
    select
        timestamp,
        bar_return,
        excess,
        row_number() over (order by bar_return asc, timestamp asc) as place,
        count(*) over () as n_returns
    from report.bar_returns
    where bar_return is not null
),

shape as (
    select
        quantile_cont(bar_return, 0.05) as lower_tail,
        quantile_cont(bar_return, 0.95) as upper_tail,
        avg(bar_return order by place)
        filter (where place <= (n_returns - 1) // 20 + 1) as worst,
        sum(excess order by timestamp) filter (where excess > 0) as gains,
        -sum(excess order by timestamp) filter (where excess < 0) as losses
    from returns
),

scores as (
    select
        skew,
        kurtosis,
        1 - skew * sharpe_per_bar + (kurtosis + 2) / 4 * sharpe_per_bar ** 2 as spread,
        case
            when spread > 0
                then sharpe_per_bar * sqrt(n_returns - 1) / sqrt(spread)
        end as score
    from report.sharpe_moments
),

-- N(z) - 1/2 is n(z) * sum of z ** (2k + 1) / (1 * 3 * ... (2k + 1)). Beyond 9 nothing is left.
halves as (
    select
        sum(
            exp(
                (2 * terms.k + 1) * ln(least(abs(scores.score), 9))
                - least(abs(scores.score), 9) ** 2 / 2
                - (terms.k + 1.5) * ln(2) - lgamma(terms.k + 1.5)
            )
            order by terms.k
        ) as half
    from scores
    cross join range(200) as terms (k)
    where scores.score <> 0
)

select
    shape.lower_tail as value_at_risk,
    shape.worst as conditional_value_at_risk,
    scores.skew,
    scores.kurtosis,
    case
        when shape.lower_tail <> 0 then abs(shape.upper_tail / shape.lower_tail)
    end as tail_ratio,
    case when shape.losses > 0 then coalesce(shape.gains, 0) / shape.losses end
        as omega,
    case
        when scores.score is not null
            then 0.5 + sign(scores.score) * coalesce(halves.half, 0)
    end as probabilistic_sharpe
from shape
cross join scores
cross join halves
