-- grain:  one row per (t, sid) of :bars
-- reads:  :bars, the known values that are joined to them
-- params: :target, :items, :high, :low, :volume, :joins
-- What was known of an asset at a bar, beside what the bar itself moved: the return since the close
-- before, and the changes of volume and of range, both as logarithms.
create or replace temp table :target as
with

sides as (
    select
        bars.t,
        bars.sid,
        bars.close as __close,
        ln(case when :volume > 0 then :volume end) as __log_volume,
        ln(case when :high > :low then (:high - :low) / bars.close end) as __log_range,
        :items
    from :bars as bars
    :joins
)

select
    *,
    case
        when lag(t) over of_asset = t - 1
            then __close / lag(__close) over of_asset - 1
    end as __return,
    case
        when lag(t) over of_asset = t - 1
            then __log_volume - lag(__log_volume) over of_asset
    end as __volume_move,
    case
        when lag(t) over of_asset = t - 1
            then __log_range - lag(__log_range) over of_asset
    end as __range_move
from sides
window of_asset as (partition by sid order by t)
