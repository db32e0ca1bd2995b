-- grain:  one row per bar
-- reads:  :bar_sessions
-- params: none
-- The session of each bar, from which sizes of folds in words are counted.
select bars.session
from (:bar_sessions) as bars
order by bars.t
