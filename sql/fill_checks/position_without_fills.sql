-- grain:  one row per offending position
-- reads:  :rows, fills
-- params: $whole
-- What is held is what was bought less what was sold. Splits and renames make shares of others, so
-- that positions in such assets are not among the rows.
with

moves as (
    select
        asset_id,
        timestamp,
        sum(quantity) as quantity,
        sum(abs(quantity)) as traded
    from fills
    group by asset_id, timestamp
),

held as (
    select
        asset_id,
        timestamp,
        sum(quantity) over running as quantity,
        sum(traded) over running as traded
    from moves
    window running as (
        partition by asset_id
        order by timestamp asc
    )
)

select
    positions.timestamp,
    positions.asset_id,
    positions.quantity || ' shares held, ' || coalesce(held.quantity, 0)
    || ' by all fills before' as what
from :rows as positions
asof left join held
    on
        positions.asset_id = held.asset_id
        and positions.timestamp >= held.timestamp
where
    not coalesce(
        abs(positions.quantity - held.quantity) <= $whole * held.traded,
        false
    )
