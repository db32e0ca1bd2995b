-- grain:  one row per action
-- reads:  main.actions, main.prices
-- params: :new_asset_id, :cash, :basis_share, :first_price
-- With a column `share`: of rights what one share's are worth at the close before the ex-date, of a
-- merger which part of a share's value is paid in cash, of a spin-off which part it takes along.
-- Of prices after the ex-date only those at which the parent itself opens are looked at.
with

quoted as (
    select
        actions.*,
        :cash as amount,
        :basis_share as said,
        before.close as last_close,
        successors.close as new_last_close,
        -- Per share before a split of that date, which comes after: so a spin-off is, too.
        today.:first_price * coalesce(
            product(actions.value) filter (where actions.kind = 'split') over (
                partition by actions.asset_id, actions.ex_date
            ), 1
        ) as first_price,
        case
            when others.timestamp = today.timestamp then others.:first_price
        end as new_price
    from main.actions as actions
    asof left join main.prices as before
        on actions.asset_id = before.asset_id and actions.ex_date > before.timestamp
    asof left join main.prices as successors
        on
            :new_asset_id = successors.asset_id
            and actions.ex_date > successors.timestamp
    asof left join main.prices as today
        on actions.asset_id = today.asset_id and actions.ex_date <= today.timestamp
    asof left join main.prices as others
        on :new_asset_id = others.asset_id and actions.ex_date <= others.timestamp
)

select
    * exclude (amount, said, last_close, new_last_close, first_price, new_price),
    case kind
        when 'rights'
            -- The theoretical ex-rights price is (close + value * cash) / (1 + value).
            then greatest(last_close - amount, 0) * value / (1 + value)
        when 'merger'
            then
                case
                    when coalesce(amount, 0) = 0 then 0
                    when value = 0 then 1
                    when new_last_close > 0
                        then amount / (amount + value * new_last_close)
                    when last_close > amount then amount / last_close
                end
        when 'spinoff'
            then
                coalesce(
                    said,
                    value * new_price / (value * new_price + first_price),
                    case
                        when first_price < last_close then 1 - first_price / last_close
                    end
                )
    end as share
from quoted
