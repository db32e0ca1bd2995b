-- grain:  one row per timestamp of prices
-- reads:  stage.timeline, the known market-wide rows of every source
-- params: :columns, :joins
-- The market row of a bar: context and market-wide features as they were known then.
create or replace view main.market as
select :columns
from stage.timeline as timeline
:joins
