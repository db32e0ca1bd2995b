-- grain:  one row per bar
-- reads:  equity, positions
-- params: none
-- What was held at each close, as fractions of equity: long 0 or above, short 0 or below,
-- gross = long - short, net = long + short; NULL where there was no equity. largest_weight is the
-- largest |value| / equity and largest_asset whose it is (the first asset_id of equal ones).
-- concentration is the Herfindahl index, sum of (|value| / gross) ** 2: 1 / n of n equal positions,
-- 1 of a single one; effective_positions is its inverse (skfolio's effective_number_assets of the
-- same weights). NULL where nothing was held. Weights are of what is held, cash is none of them.
with

held as (
    select
        timestamp,
        count(*) filter (where value > 0) as n_long,
        count(*) filter (where value < 0) as n_short,
        sum(value order by asset_id) filter (where value > 0) as long_value,
        sum(value order by asset_id) filter (where value < 0) as short_value,
        max(abs(value)) as largest_value,
        arg_min(asset_id, (-abs(value), asset_id)) as largest_asset,
        sum(value ** 2 order by asset_id) as squares
    from main.positions
    group by timestamp
)

select
    equity.timestamp,
    equity.session,
    case when equity.equity > 0 then coalesce(held.long_value, 0) / equity.equity end
        as long_exposure,
    case when equity.equity > 0 then coalesce(held.short_value, 0) / equity.equity end
        as short_exposure,
    case when equity.equity > 0 then equity.gross_exposure / equity.equity end
        as gross_exposure,
    case when equity.equity > 0 then equity.net_exposure / equity.equity end
        as net_exposure,
    coalesce(held.n_long, 0) as n_long,
    coalesce(held.n_short, 0) as n_short,
    case when equity.equity > 0 then held.largest_value / equity.equity end
        as largest_weight,
    held.largest_asset,
    case
        when equity.gross_exposure > 0
            then held.squares / equity.gross_exposure ** 2
    end as concentration,
    case when held.squares > 0 then equity.gross_exposure ** 2 / held.squares end
        as effective_positions
from main.equity
left join held on equity.timestamp = held.timestamp
order by equity.timestamp asc
