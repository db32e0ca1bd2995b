-- grain:  one row per bar
-- reads:  :staged
-- params: $initial_capital, :held
-- Drawdown is equity / highest equity so far - 1, the initial capital included: 0 or below.
select
    :held,
    staged.equity / greatest(
        $initial_capital::double,
        max(staged.equity) over (
            order by staged.row rows between unbounded preceding and current row
        )
    ) - 1 as drawdown
from :staged as staged
order by staged.row asc
