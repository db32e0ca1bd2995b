-- grain:  one row per row of the user's query; sid is NULL where no such asset has a bar
-- reads:  :answered, :decisions, stage.assets, :bars
-- params: :value, :score, :rank, :joins
-- Back to numbers. Rows are in the order in which orders are sent, which is total.
select
    decisions.t,
    bars.sid,
    (:value)::double as amount,
    (:score)::double as score,
    (:rank)::double as position
from (:answered) as answered
left join :decisions as decisions on answered.timestamp = decisions.timestamp
left join stage.assets as assets on answered.asset_id = assets.asset_id
left join :bars as bars on decisions.t = bars.t and assets.sid = bars.sid
:joins
order by decisions.t asc, position asc nulls last, amount desc, bars.sid asc
