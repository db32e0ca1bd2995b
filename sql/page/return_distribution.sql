-- grain:  one row per class of returns that has any
-- reads:  report.bar_returns
-- params: none
-- How often a bar made how much: classes of a round width, a quarter to an eighth of the standard
-- deviation or near it; return_from is their lower end, and in the class.
with

spread as (
    select
        stddev_samp(bar_return) as deviation,
        10.0 ** floor(log10(stddev_samp(bar_return))) as power
    from report.bar_returns
    having stddev_samp(bar_return) > 0
),

width as (
    select
        power * case
            when deviation < 2 * power then 0.25
            when deviation < 5 * power then 0.5
            else 1
        end as step
    from spread
)

select
    floor(bar_returns.bar_return / width.step) * width.step as return_from,
    (floor(bar_returns.bar_return / width.step) + 1) * width.step as return_to,
    count(*) as n_bars
from report.bar_returns
cross join width
where bar_returns.bar_return is not null
group by floor(bar_returns.bar_return / width.step), width.step
order by return_from asc
