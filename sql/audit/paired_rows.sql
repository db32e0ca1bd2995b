-- grain:  the first row by its keys that differs, or that one of two has; none
-- reads:  :whole, :cut
-- params: :keys, :sorted, :joined, :columns, :first_column, :in_order
-- Rows of equal keys are paired in the order of what they hold. Columns of the whole run come
-- first, then the same of the cut one; what one has alone is NULL in the other. The first column
-- that differs is named, and how many rows do is counted.
with

of_whole as (
    select
        *,
        row_number() over (partition by :keys order by :sorted) as __k
    from :whole
),

of_cut as (
    select
        *,
        row_number() over (partition by :keys order by :sorted) as __k
    from :cut
)

select
    :columns,
    :first_column as __column,
    count(*) over () as __n_rows
from of_whole as whole
full outer join of_cut as cut on :joined
where whole.__k is null or cut.__k is null or __column is not null
order by :in_order
limit 1
