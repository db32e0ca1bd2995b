-- grain:  one row
-- reads:  :rows
-- params: :label, :columns
-- How many rows there are, and all of them in one number, whatever their order.
select
    :label as label,
    count(*) as n_rows,
    sum(hash(:columns)) as hashed
from :rows
