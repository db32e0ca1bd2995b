-- grain:  one row per row of :rows
-- reads:  :rows
-- params: :items
-- Prices times adjusted close / close, so that splits and dividends are in all of them; volume
-- divided by it, so that its value in money stays what was traded.
select * replace (:items)
from (:rows)
