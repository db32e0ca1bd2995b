-- grain:  one row
-- reads:  :rows
-- params: :item, :tolerance
-- How many closes another one takes the place of.
select count_if(abs(:item / close - 1) > :tolerance)
from (:rows)
