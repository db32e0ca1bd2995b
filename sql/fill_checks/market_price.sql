-- grain:  one row per offending fill
-- reads:  :rows
-- params: $in_range
-- An order that takes the market pays the open, the close or the average of a bar before costs: at
-- another price somebody would have picked it.
select
    timestamp,
    asset_id,
    'a ' || order_type || ' order at ' || gross || ' before costs; the bar opens at '
    || coalesce(bar_open::varchar, '-') || ' and closes at ' || bar_close
    || coalesce(', on average ' || bar_average::varchar, '') as what
from :rows
where
    not coalesce(abs(gross - bar_open) <= $in_range * abs(bar_open), false)
    and not coalesce(abs(gross - bar_close) <= $in_range * abs(bar_close), false)
    and not coalesce(
        abs(gross - greatest(least(bar_average, highest), lowest))
        <= $in_range * abs(gross),
        false
    )
