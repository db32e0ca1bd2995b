-- grain:  one row per (timestamp, asset_id)
-- reads:  predictions
-- params: none
-- A score is made of a close, overnight: it counts as known on the next calendar day. A bar's
-- date is its close, so the next bar is the first whose close sees the score, and the open
-- after that the first that trades on it. Trading at the next open already would need the
-- night's work to be done, checked and sent before it; that is not assumed.
create or replace table scores as
select
    timestamp::date as timestamp,
    asset_id,
    round(score, 10) as score,
    timestamp::date + 1 as available_at
from predictions
order by timestamp asc, asset_id asc
