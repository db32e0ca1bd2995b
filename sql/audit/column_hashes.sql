-- grain:  one row
-- reads:  :view
-- params: :columns, :known
-- What the columns of a view hold, each in one number, whatever the order of its rows; before them
-- the number of rows.
select :columns
from :view
where :known
