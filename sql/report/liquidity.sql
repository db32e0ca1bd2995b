-- grain:  one row per asset that was held at some close and filled in some bar with volume
-- reads:  fills, positions, report.calendar
-- params: none
-- How long it would take to sell the largest position ever held. largest_quantity is the largest
-- |quantity| at a close, session_volume the mean volume of the bars in which the asset filled times
-- bars per session, and days_to_liquidate their quotient at a tenth of the volume; at another share
-- x it is that times 0.1 / x. Shares as traded: a split in between changes what one is. pyfolio
-- 0.10.1 takes a fifth of the mean volume of 5 days, and the positions of each day.
with

filled as (
    select
        asset_id,
        avg(volume order by fill_id) as bar_volume
    from main.fills
    where volume > 0
    group by asset_id
),

held as (
    select
        asset_id,
        max(abs(quantity)) as largest_quantity
    from main.positions
    group by asset_id
)

select
    held.asset_id,
    held.largest_quantity,
    filled.bar_volume * calendar.bars_per_session as session_volume,
    held.largest_quantity / (filled.bar_volume * calendar.bars_per_session * 0.1)
        as days_to_liquidate
from held
inner join filled on held.asset_id = filled.asset_id
cross join report.calendar
order by days_to_liquidate desc, held.asset_id asc
