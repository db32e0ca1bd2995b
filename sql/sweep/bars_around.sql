-- grain:  one row per bar
-- reads:  :bars
-- params: :is_later, :target
-- Two blocks: the bars before a time, and those from it on.
create or replace temp table :target as
select
    timestamp,
    (:is_later)::integer as block
from (:bars) as bars
