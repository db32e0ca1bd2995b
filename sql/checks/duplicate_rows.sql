-- grain:  one row per surplus row
-- reads:  :source
-- params: :keys, :every_column
-- Rows equal in every column: the first of them says it all, so it is no offender.
with

doubled as (
    select *
    from :source
    qualify count(*) over (partition by :keys) > 1
)

select *
from doubled
qualify row_number() over (partition by :every_column) > 1
