-- grain:  one row per row of :bars
-- reads:  :bars, :known
-- params: :same_time, :items
-- What was known at a bar, by the join that DuckDB and Snowflake have for it.
select
    bars.*,
    :items
from :bars as bars
asof left join :known as __known on :same_time
