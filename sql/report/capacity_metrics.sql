-- grain:  one row
-- reads:  report.volume_shares, report.liquidity
-- params: none
-- mean_volume_share and max_volume_share: of the fills, how much of the volume of its bar each was.
-- days_to_liquidate: sessions until the largest position of the least liquid asset would be sold at
-- a tenth of the volume. NULL where prices have no volume.
with

shares as (
    select
        avg(volume_share order by fill_id) as mean_volume_share,
        max(volume_share) as max_volume_share
    from report.volume_shares
),

days as (
    select max(days_to_liquidate) as days_to_liquidate
    from report.liquidity
)

select
    shares.mean_volume_share,
    shares.max_volume_share,
    days.days_to_liquidate
from shares
cross join days
