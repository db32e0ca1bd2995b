-- grain:  one row per rank at which a trade was entered
-- reads:  report.trades_explained
-- params: none
-- Whether what ranked higher made more: of the assets that were chosen, as a run knows no others.
select
    entry_rank,
    count(*) as n_trades,
    sum(pnl order by trade_id asc) as pnl,
    avg("return" order by trade_id asc) as average_return,
    count(*) filter (where pnl > 0) / count(*) as share_won
from report.trades_explained
where entry_rank is not null
group by entry_rank
order by entry_rank asc
