-- grain:  one row per schema that files have
-- reads:  the footers of :files
-- params: :files
-- Of a thousand files of one schema one is looked at closer, and read_parquet can have them all.
with

schemas as (
    select
        file_name,
        list(
            { 'name': name, 'type': duckdb_type, 'n_children': num_children }
            order by column_id asc
        ) as fields
    from parquet_schema(:files)
    group by file_name
)

select list(file_name order by file_name asc) as files
from schemas
group by fields
order by files asc
