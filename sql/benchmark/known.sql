-- grain:  one row per bar of the run
-- reads:  main.market, stage.timeline
-- params: :value, $first_t, $last_t
-- What a source of the market has said by each bar.
select cast(:value as double) as value
from main.market as market
inner join stage.timeline as timeline on market.timestamp = timeline.timestamp
where timeline.t between $first_t and $last_t
order by timeline.t asc
