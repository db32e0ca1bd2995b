-- grain:  one row
-- reads:  :whole, :cut
-- params: :joined, :differs
-- How many rows two catalogs both have, and at how many of them they say something else.
select
    count(*) as n_rows,
    count(*) filter (where :differs) as n_changed
from (:whole) as whole
inner join (:cut) as cut on :joined
