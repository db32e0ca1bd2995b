-- grain:  one row
-- reads:  report.sides
-- params: none
-- Long and short as metrics; what each means stands in report.sides.
select
    max(pnl) filter (where side = 'long') as long_pnl,
    max(pnl) filter (where side = 'short') as short_pnl,
    max(n_trades) filter (where side = 'long') as n_long_trades,
    max(n_trades) filter (where side = 'short') as n_short_trades,
    max(hit_rate) filter (where side = 'long') as long_hit_rate,
    max(hit_rate) filter (where side = 'short') as short_hit_rate
from report.sides
