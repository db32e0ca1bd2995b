-- grain:  one row
-- reads:  equity, runs, report.drawdowns
-- params: none
-- Drawdowns taken together, each against the highest equity so far, the initial capital included:
-- the first day counts, and returns are compounded. All are fractions; depths are 0 or below.
-- ulcer_index: root of the mean square of the drawdown over all bars (Martin and McCann 1989, The
-- investor's guide to Fidelity funds), positive. ffn 1.4.1 has it in percent, quantstats 0.0.86
-- divides by n - 1, skfolio 1.12.2 adds returns up unless compounded=True.
-- average_drawdown: mean depth of report.drawdowns. longest_drawdown_days: calendar days from the
-- peak to the recovery, or to the last bar where there is none yet. time_under_water: share of the
-- bars below the peak. recovery_factor: total return / -deepest drawdown.
with

bars as (
    select
        sqrt(avg(drawdown ** 2 order by timestamp)) as ulcer_index,
        avg((drawdown < 0)::integer) as time_under_water,
        min(drawdown) as deepest,
        arg_max(equity, timestamp) as final_equity
    from main.equity
),

periods as (
    select
        count(*) as n_drawdowns,
        avg(drawdown order by rank) as average_drawdown,
        max(n_days) as longest_drawdown_days
    from report.drawdowns
)

select
    bars.ulcer_index,
    periods.n_drawdowns,
    periods.average_drawdown,
    periods.longest_drawdown_days,
    bars.time_under_water,
    case
        when bars.deepest < 0
            then (bars.final_equity / runs.initial_capital - 1) / -bars.deepest
    end as recovery_factor
from bars
cross join periods
cross join main.runs
