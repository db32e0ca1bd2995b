-- grain:  one row per series
-- reads:  report.calendar, and the views of metrics that are made of returns
-- params: none
-- Joined by position, as ``report.metrics``.
select
    calendar.n_sessions,
    calendar.bars_per_session,
    calendar.sessions_per_year,
    calendar.bars_per_year,
    calendar.annualised_by,
    return_metrics.*,
    drawdown_metrics.*,
    tail_metrics.*,
    period_metrics.*,
    pain_metrics.*
from report.calendar
positional join report.return_metrics
positional join report.drawdown_metrics
positional join report.tail_metrics
positional join report.period_metrics
positional join report.pain_metrics
