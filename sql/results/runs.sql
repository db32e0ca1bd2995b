-- grain:  one row per run
-- reads:  nothing
-- params: $run_id and the facts of the run
-- What was run, on what, with which versions: enough to repeat it and to doubt it.
create table runs as
select
    $run_id::varchar as run_id,
    $started_at::timestamptz as started_at,
    $finished_at::timestamptz as finished_at,
    $initial_capital::double as initial_capital,
    $fill_policy::varchar as fill_policy,
    $configuration::varchar as configuration,
    $sources::varchar as sources,
    $rows_dropped::varchar as rows_dropped,
    $versions::varchar as versions,
    $n_assets::integer as n_assets,
    $n_bars::integer as n_bars,
    $activity::varchar as activity,
    $misses::varchar as misses,
    $periods_per_year::double as periods_per_year,
    $warnings::varchar as warnings
