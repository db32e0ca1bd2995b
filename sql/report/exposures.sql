-- grain:  one row per bar
-- reads:  equity, report.holdings
-- params: none
-- What was held at each close, as fractions of equity: long 0 or above, short 0 or below,
-- gross = long - short, net = long + short; NULL where there was no equity. largest_weight is the
-- largest |value| / equity and largest_asset whose it is (the first asset_id of equal ones).
-- concentration is the Herfindahl index, sum of (|value| / gross) ** 2: 1 / n of n equal positions,
-- 1 of a single one; effective_positions is its inverse (skfolio's effective_number_assets of the
-- same weights). NULL where nothing was held. Weights are of what is held, cash is none of them.
select
    equity.timestamp,
    equity.session,
    case
        when equity.equity > 0 then coalesce(holdings.long_value, 0) / equity.equity
    end as long_exposure,
    case
        when equity.equity > 0 then coalesce(holdings.short_value, 0) / equity.equity
    end as short_exposure,
    case when equity.equity > 0 then equity.gross_exposure / equity.equity end
        as gross_exposure,
    case when equity.equity > 0 then equity.net_exposure / equity.equity end
        as net_exposure,
    coalesce(holdings.n_long, 0) as n_long,
    coalesce(holdings.n_short, 0) as n_short,
    case when equity.equity > 0 then holdings.largest_value / equity.equity end
        as largest_weight,
    holdings.largest_asset,
    case
        when equity.gross_exposure > 0
            then holdings.squares / equity.gross_exposure ** 2
    end as concentration,
    case
        when holdings.squares > 0 then equity.gross_exposure ** 2 / holdings.squares
    end as effective_positions
from main.equity
left join report.holdings on equity.timestamp = holdings.timestamp
order by equity.timestamp asc
