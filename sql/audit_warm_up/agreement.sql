-- grain:  one row
-- reads:  :whole, :cut
-- params: $since_t integer, :joined, :differs, :gap
-- Where a column of all history and the same of what a cut has left differ: at which bar last, in
-- how many rows from a bar on, and by how much of the larger number. Of values that one of them
-- lacks, and of those that are no numbers, there is no gap.
select
    max(whole.__t) filter (where :differs) as last_t,
    count(*) filter (where :differs and whole.__t >= $since_t) as n_rows,
    max(:gap) filter (where :differs and whole.__t >= $since_t) as largest
from :whole as whole
left join :cut as cut on :joined
