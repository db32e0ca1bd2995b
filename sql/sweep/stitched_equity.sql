-- grain:  one row per series and bar
-- reads:  :returns
-- params: $initial_capital
-- The initial capital as it grew with the returns of each series; a bar without a return, of an
-- account of which nothing is left, leaves it as it is.
with

grown as (
    select
        run_number,
        timestamp,
        session,
        bar_return,
        excess,
        $initial_capital::double * exp(
            sum(ln(greatest(1 + coalesce(bar_return, 0), 0))) over (
                partition by run_number
                order by timestamp asc
            )
        ) as equity
    from :returns
)

select
    *,
    equity / greatest(
        $initial_capital::double,
        max(equity) over (partition by run_number order by timestamp asc)
    ) - 1 as drawdown
from grown
