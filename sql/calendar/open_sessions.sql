-- grain:  one row per session
-- reads:  stage.sessions
-- params: none
-- The days on which there was trading.
select session
from stage.sessions
where is_open
