-- grain:  one row per value of a folder's key
-- reads:  nothing
-- params: $key_values
-- Whether DuckDB reads the value as a number or a time where all folders have such; 009 it does
-- not. The name that stands for no value is of any kind.
with

named as (
    select unnest($key_values::varchar[]) as key_value
)

select
    key_value,
    coalesce(
        try_cast(key_value as bigint)::varchar = key_value
        or try_cast(key_value as timestamp) is not null, false
    ) as is_typed
from named
where key_value <> '__HIVE_DEFAULT_PARTITION__'
