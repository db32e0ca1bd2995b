-- grain:  one row per file, name and kind of value; a file of nameless objects has one of NULL
-- reads:  :source
-- params: :file
-- Which names the objects of each file have, and of which kinds their values are.
with

objects as (
    select
        :file as file_name,
        json
    from :source
),

counts as (
    select
        file_name,
        count(*) as n_rows
    from objects
    group by file_name
),

fields as (
    select
        file_name,
        unnest(json_keys(json)) as field,
        unnest(json_extract(json, '$.*')) as value
    from objects
)

select
    counts.file_name,
    fields.field,
    json_type(fields.value) as kind,
    count(*) as n_values,
    any_value(counts.n_rows) as n_rows
from counts
left join fields on counts.file_name = fields.file_name
group by all
order by all
