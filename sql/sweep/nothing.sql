-- grain:  one row
-- reads:  nothing
-- params: none
-- What stands for the store where no trial ended well.
select
    null::varchar as run_id,
    null::double as seconds
