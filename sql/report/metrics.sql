-- grain:  one row
-- reads:  report.calendar, and all other views of metrics, whose names end in _metrics
-- params: none
-- Every metric of the run in one row: each is defined in the view that it comes from, of one row
-- too. Joined by position: DuckDB takes time to find an order for cross joins.
select
    calendar.n_sessions,
    calendar.bars_per_session,
    calendar.sessions_per_year,
    calendar.bars_per_year,
    calendar.annualised_by,
    return_metrics.*,
    benchmark_metrics.*,
    drawdown_metrics.*,
    trading_metrics.*,
    trade_metrics.*,
    tail_metrics.*,
    period_metrics.*,
    pain_metrics.*,
    bet_metrics.*,
    side_metrics.*,
    exposure_metrics.*,
    cost_metrics.*,
    capacity_metrics.*
from report.calendar
positional join report.return_metrics
positional join report.benchmark_metrics
positional join report.drawdown_metrics
positional join report.trading_metrics
positional join report.trade_metrics
positional join report.tail_metrics
positional join report.period_metrics
positional join report.pain_metrics
positional join report.bet_metrics
positional join report.side_metrics
positional join report.exposure_metrics
positional join report.cost_metrics
positional join report.capacity_metrics
