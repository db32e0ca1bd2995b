-- grain:  no row
-- reads:  nothing
-- params: none
-- What `trial_returns` is where metrics alone were kept.
select
    null::integer as trial,
    null::timestamp as timestamp,
    null::date as session,
    null::double as bar_return,
    null::double as excess
where false
