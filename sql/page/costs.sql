-- grain:  one row per kind of cost
-- reads:  report.trading_metrics
-- params: none
-- What trading cost in all, account currency; slippage and impact are inside the prices of fills.
select
    kinds.kind,
    case kinds.kind
        when 'commission' then trading_metrics.commission
        when 'tax' then trading_metrics.tax
        when 'fee' then trading_metrics.fee
        when 'slippage' then trading_metrics.slippage
        when 'impact' then trading_metrics.impact
        else trading_metrics.borrow
    end as amount
from report.trading_metrics
cross join (
    values
    ('commission'), ('tax'), ('fee'), ('slippage'), ('impact'), ('borrow')
) as kinds (kind)
order by amount desc, kinds.kind asc
