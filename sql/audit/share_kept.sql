-- grain:  one row
-- reads:  :whole, :cut
-- params: :items
-- The share of what one run has that another has too; NULL where the one has nothing.
with

of_whole as (
    select distinct :items
    from :whole
),

kept as (
    select :items
    from :cut
    intersect
    select *
    from of_whole
)

select (select count(*) from kept) / nullif(count(*), 0) as share_kept
from of_whole
