-- grain:  one row per day that a calendar speaks of, open or not
-- reads:  :stated
-- params: none
-- Each column is that of the last source that says something; known_at goes with is_open.
create or replace table stage.sessions as
select
    session,
    arg_max(is_open, place) as is_open,
    arg_max(opens, place) as opens,
    arg_max(closes, place) as closes,
    arg_max_null(known_at, place) as known_at
from (:stated) as given
group by session
