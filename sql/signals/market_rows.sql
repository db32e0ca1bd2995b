-- grain:  one row per bar
-- reads:  main.market, stage.timeline
-- params: :target
-- The market rows by bar number; small, so they are joined once and kept.
create or replace temp table :target as
select
    timeline.t,
    market.* exclude (timestamp)
from main.market as market
inner join stage.timeline as timeline on market.timestamp = timeline.timestamp
