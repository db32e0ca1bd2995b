-- grain:  one row per bar
-- reads:  trial_returns, :contenders
-- params: :is_later, :target
-- Two blocks: the bars before a time, and those from it on.
create or replace temp table :target as
with

bars as (
    select distinct trial_returns.timestamp
    from main.trial_returns
    semi join :contenders as contenders
        on trial_returns.trial = contenders.trial
)

select
    timestamp,
    (:is_later)::integer as block
from bars
