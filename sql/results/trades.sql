-- grain:  one row per closed lot part, and one per lot still open
-- reads:  :staged
-- params: :held
-- The sum of pnl and of the flows that are not in trades is the change of equity: an open lot
-- carries its marked P&L, and a dividend counts from its ex-date: what is due after the last bar
-- is in pnl and in no equity yet.
select
    :held,
    staged.pnl - staged.pnl_currency as pnl_price,
    staged.pnl / (
        abs(staged.quantity) * staged.entry_price
        * staged.multiplier * staged.entry_rate
    ) as "return",
    case when staged.exit_t >= 0 then staged.exit_t - staged.entry_t end::integer
        as bars_held
from :staged as staged
