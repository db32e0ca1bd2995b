-- grain:  one row per row of a feed
-- reads:  :source
-- params: :columns, :condition
-- A feed's rows under the names of prices; those of several feeds are put together by name.
select :columns
from :source
where :condition
