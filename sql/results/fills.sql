-- grain:  one row per fill
-- reads:  :staged
-- params: :held
-- Shares, positive buys, negative sells; slippage and impact are inside the price.
select
    :held,
    staged.quantity * staged.price * (staged.multiplier * staged.rate) as value
from :staged as staged
