-- grain:  no row
-- reads:  nothing
-- params: none
-- The columns that every list of runs has, for a store without any.
select
    null::varchar as run_id,
    null::timestamptz as created_at,
    null::varchar as strategy,
    map([]::varchar[], []::varchar[]) as parameters,
    map([]::varchar[], []::bigint[]) as bytes,
    null::varchar as layout,
    null::bigint as written_ns
where false
