-- grain:  one row per row of a source
-- reads:  :raw
-- params: :columns, :filter
-- A source under our names and types, as its view is.
select :columns
from :raw
where :filter
