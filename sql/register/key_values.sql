-- grain:  one row per value of a folder's key
-- reads:  nothing
-- params: $key_values
-- Whether DuckDB reads the value as a number or a time where all folders have such; 009 it does
-- not. The name that stands for no value is of any kind. Months from 01 to 12 are codes of one
-- width, 12 too: as texts they are in the order of their numbers.
with

named as (
    select unnest($key_values::varchar[]) as key_value
),

given as (
    select *
    from named
    where key_value <> '__HIVE_DEFAULT_PARTITION__'
),

codes as (
    select
        bool_and(regexp_full_match(key_value, '[0-9]+'))
        and min(length(key_value)) = max(length(key_value))
        and bool_or(length(key_value) > 1 and key_value[1] = '0') as are_padded
    from given
)

select
    given.key_value,
    not coalesce(codes.are_padded, false) and coalesce(
        try_cast(given.key_value as bigint)::varchar = given.key_value
        or try_cast(given.key_value as timestamp) is not null, false
    ) as is_typed
from given
cross join codes
