-- grain:  one row, where a row was known before its own time
-- reads:  :source
-- params: :items
-- A forecast of a period may be known before it; what happened in it may not.
with

early as (
    select
        timestamp,
        concat_ws(' ', :items) as shown
    from :source
    where available_at < timestamp
)

select
    'available_at' as column_name,
    count(*) as n_rows,
    count(*) / (select count(*) from :source) as value,
    'known before its time: ' || array_to_string(
        list(shown order by timestamp asc, shown asc)[:3], '; '
    ) as sample
from early
having count(*) > 0
