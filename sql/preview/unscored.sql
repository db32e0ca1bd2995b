-- grain:  no row
-- reads:  nothing
-- params: none
-- Stands in for what a ranking says where there is none.
create or replace temp table scored as
select
    null::integer as sid,
    null::double as score,
    null::varchar as filter_text,
    null::varchar as group_text,
    null::boolean as is_ranked,
    null::bigint as place
where false
