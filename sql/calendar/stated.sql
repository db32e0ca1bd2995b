-- grain:  one row per row of a calendar
-- reads:  :source
-- params: :is_open, :opens, :closes, :known_at name its columns or NULL, :moment is the
--         type of a time; :place is a number
-- What one source says of sessions; of two the one of the higher place goes before.
select
    session,
    coalesce(cast(:is_open as boolean), true) as is_open,
    cast(:opens as :moment) as opens,
    cast(:closes as :moment) as closes,
    cast(:known_at as :moment) as known_at,
    :place as place
from :source
where session is not null
