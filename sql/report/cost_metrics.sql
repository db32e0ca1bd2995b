-- grain:  one row
-- reads:  equity, runs, report.calendar, report.trading_metrics
-- params: none
-- cost_drag: all costs over mean equity, a year of bars per year, as turnover is: about what the
-- annual return lost by them. cost_share: all costs / P&L before them, final value - initial
-- capital + costs; above 1 where costs ate more than there was; NULL where nothing was made before
-- costs. Costs are those of report.trading_metrics, borrow fees among them.
with

account as (
    select
        avg(equity order by timestamp) as mean_equity,
        arg_max(equity, timestamp) as final_equity,
        count(*) - 1 as n_steps
    from main.equity
),

made as (
    select
        account.mean_equity,
        account.n_steps / calendar.bars_per_year as years,
        trading_metrics.costs,
        account.final_equity - runs.initial_capital + trading_metrics.costs as gross_pnl
    from account
    cross join main.runs
    cross join report.calendar
    cross join report.trading_metrics
)

select
    case when years > 0 and mean_equity > 0 then costs / mean_equity / years end
        as cost_drag,
    case when gross_pnl > 0 then costs / gross_pnl end as cost_share
from made
