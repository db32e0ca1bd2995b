-- grain:  one row per year, and one of all years (calendar_year is NULL)
-- reads:  scores, labels
-- params: $horizon bars, $top_n
-- The information coefficient is Spearman's: per bar, the correlation of the ranks of score and
-- forward return (equals take their lowest rank). Labels of neighbouring bars overlap and would
-- make t too high; t is over every $horizon-th bar, whose labels do not: mean / standard
-- deviation * sqrt(n). top_excess is the forward return of the $top_n highest scores over the
-- mean of all, before any cost.
with

ranked as (
    select
        scores.timestamp,
        labels.bar,
        labels.forward_return,
        rank() over (
            partition by scores.timestamp
            order by scores.score asc
        ) as score_rank,
        rank() over (
            partition by scores.timestamp
            order by labels.forward_return asc
        ) as return_rank,
        row_number() over (
            partition by scores.timestamp
            order by scores.score desc, scores.asset_id asc
        ) as place
    from scores
    inner join labels
        on
            scores.timestamp = labels.timestamp
            and scores.asset_id = labels.asset_id
    where isfinite(scores.score) and labels.forward_return is not null
),

bars as (
    select
        timestamp,
        bar,
        corr(score_rank, return_rank) as coefficient,
        avg(forward_return) filter (where place <= $top_n)
        - avg(forward_return) as top_excess
    from ranked
    group by timestamp, bar
),

years as (
    select
        year(timestamp) as calendar_year,
        avg(coefficient) as mean_coefficient,
        avg(coefficient) filter (where bar % $horizon = 0)
        / stddev_samp(coefficient) filter (where bar % $horizon = 0)
        * sqrt(count(coefficient) filter (where bar % $horizon = 0)) as t,
        avg((coefficient > 0)::integer) as share_positive,
        avg(top_excess) as top_excess,
        count(*) as n_bars
    from bars
    group by rollup (year(timestamp))
)

select * from years
order by calendar_year asc nulls last
