-- grain:  one row per (t, sid) that the ranking keeps
-- reads:  :ranked
-- params: :target
-- The ranking of the bars at hand, for a query that reads it, maybe more than once.
create or replace temp table :target as
select
    t,
    sid,
    rank,
    score,
    weight
from (:ranked)
