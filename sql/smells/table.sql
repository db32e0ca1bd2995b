-- grain:  one row per smell, source and column
-- reads:  :found
-- params: :target
-- What was found, in the order in which it was looked for.
create or replace temp table :target as
select *
from :found
