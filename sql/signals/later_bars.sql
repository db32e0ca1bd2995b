-- grain:  one row per row of :source
-- reads:  :source, stage.timeline, :first_bars
-- params: :time, :n_bars
-- A time moved to so many bars after the first at or after it, NULL where there is none.
select source.* replace (later.timestamp as :time)
from :source as source
left join (:first_bars) as first_bars on source.:time = first_bars.moment
left join stage.timeline as later on first_bars.t + :n_bars = later.t
