-- grain:  one row per series
-- reads:  main.every_run
-- params: $initial_capital, $periods_per_year, $sessions_per_year, $bars_per_session, $sessions_from
select
    number as run_number,
    $initial_capital::double as initial_capital,
    $periods_per_year::double as periods_per_year,
    $sessions_per_year::double as sessions_per_year,
    $bars_per_session::double as bars_per_session,
    $sessions_from::varchar as sessions_from
from main.every_run
