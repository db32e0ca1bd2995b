-- grain:  one row per row of :rows
-- reads:  :rows
-- params: :target
-- What a walk found, kept.
create or replace temp table :target as
select *
from :rows
