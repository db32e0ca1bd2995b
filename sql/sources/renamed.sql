-- grain:  one row per row of a source
-- reads:  :source
-- params: :columns
-- A frame of features whose keys have names of their own, under the names of the contract.
select :columns
from :source
