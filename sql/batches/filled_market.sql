-- grain:  one row per bar
-- reads:  temp.market
-- params: :columns
-- The market rows for conditions, NULL where they are NaN: DuckDB sorts NaN above every number,
-- so that a missing vix would be above 30.
create or replace temp table filled_market as
select :columns
from temp.market
