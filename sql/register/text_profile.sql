-- grain:  one row per column that has a value
-- reads:  :source
-- params: :cells
-- What the texts of columns could be that are not all plain numbers. Each text is looked at: a
-- sample would not see the word in the last row.
with

cells as (
    select unnest(:cells, recursive := true)
    from :source
),

given as (
    select
        column_name,
        text
    from cells
    where text is not null
)

select
    column_name,
    count_if(lower(text) in ('true', 'false')) as n_flags,
    count_if(regexp_full_match(text, ' *[+-]?[0-9]+,[0-9]+ *')) as n_commas,
    count_if(
        regexp_full_match(
            text, ' *[+-]?([0-9]+,[0-9]{1,2}|[0-9]+,[0-9]{4,}|0,[0-9]+) *'
        )
    ) as n_decimals,
    count_if(
        regexp_full_match(
            text, ' *[+-]?[0-9]{1,3}([,.][0-9]{3})+([.,][0-9]+)? *'
        )
        and try_cast(text as double) is null
    ) as n_grouped
from given
group by column_name
order by column_name asc
