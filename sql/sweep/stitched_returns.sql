-- grain:  one row per series and bar
-- reads:  main.equity
-- params: none
-- What ``report.bar_returns`` is of series whose returns are known before their equity.
select
    run_number,
    timestamp,
    session,
    equity,
    bar_return,
    bar_return - excess as risk_free,
    excess,
    null::double as benchmark_value,
    null::double as benchmark_return
from main.equity
