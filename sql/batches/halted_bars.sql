-- grain:  one row per bar on which some asset has no volume
-- reads:  main.prices, stage.timeline
-- params: none
-- Of prices that no check has scanned. Most chunks have none of these: only the others need the
-- volume to be read.
select distinct timeline.t
from main.prices as prices
inner join stage.timeline as timeline on prices.timestamp = timeline.timestamp
where prices.volume = 0
