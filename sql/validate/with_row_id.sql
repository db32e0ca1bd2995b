-- grain:  one row per row of :source
-- reads:  :source
-- params: :target
-- Numbers the rows, so that exactly the offending ones can be left out and counted.
create or replace table :target as
select
    row_number() over () as __row_id,
    *
from :source
