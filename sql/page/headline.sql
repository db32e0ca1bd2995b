-- grain:  one row
-- reads:  report.metrics
-- params: none
-- What a reader asks first; what each means stands with all metrics.
select
    total_return,
    cagr,
    volatility,
    sharpe,
    sortino,
    max_drawdown,
    calmar,
    excess_return,
    beta,
    final_value,
    costs,
    turnover,
    exposure,
    n_trades,
    hit_rate,
    profit_factor
from report.metrics
