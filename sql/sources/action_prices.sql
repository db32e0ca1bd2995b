-- grain:  one row per (asset_id, ex_date, new_asset_id) of a split, rename or delisting
-- reads:  main.actions, main.prices, stage.assets
-- params: :new_asset_id, :first_price
-- Whether the prices around an ex-date follow what is said to have happened. Moves are absolute
-- logarithms: of the price as it is, and of a share with the splits and dividends in between.
create or replace table stage.action_prices as
with

ends as (
    select distinct
        actions.asset_id,
        actions.ex_date,
        case when actions.kind = 'rename' then :new_asset_id end as new_asset_id
    from main.actions as actions
    semi join stage.assets as assets on actions.asset_id = assets.asset_id
    where actions.kind in ('split', 'rename', 'delisting')
),

places as (
    select
        asset_id,
        ex_date
    from ends
    union
    select
        new_asset_id,
        ex_date
    from ends
),

bars as (
    select
        asset_id,
        timestamp,
        close,
        :first_price as first_price
    from main.prices
    where close > 0
),

before as (
    select
        places.asset_id,
        places.ex_date,
        max(bars.timestamp) as bar,
        arg_max(bars.close, bars.timestamp) as price
    from places
    inner join bars
        on places.asset_id = bars.asset_id and places.ex_date > bars.timestamp
    group by places.asset_id, places.ex_date
),

following as (
    select
        places.asset_id,
        places.ex_date,
        min(bars.timestamp) as bar,
        arg_min(bars.first_price, bars.timestamp) as price
    from places
    inner join bars
        on places.asset_id = bars.asset_id and places.ex_date <= bars.timestamp
    where bars.first_price > 0
    group by places.asset_id, places.ex_date
),

-- Between the same two bars other splits and dividends count too.
changes as (
    select
        before.asset_id,
        before.ex_date,
        product(actions.value) filter (where actions.kind = 'split') as ratio,
        sum(actions.value) filter (where actions.kind = 'dividend') as dividends
    from before
    inner join main.actions as actions
        on before.asset_id = actions.asset_id and before.bar < actions.ex_date
    left join following
        on
            before.asset_id = following.asset_id
            and before.ex_date = following.ex_date
    where
        actions.ex_date <= coalesce(following.bar, before.ex_date)
        and actions.value > 0
        and isfinite(actions.value)
    group by before.asset_id, before.ex_date
),

priced as (
    select
        ends.*,
        following.bar as next_bar,
        following.price as next_price,
        successors.price as new_price,
        others.bar as new_last_bar,
        others.price as new_last_price,
        coalesce(changes.ratio, 1) as ratio,
        -- A dividend of all that the price was leaves nothing to compare with.
        case
            when before.price > coalesce(changes.dividends, 0)
                then before.price - coalesce(changes.dividends, 0)
        end as price
    from ends
    left join before
        on ends.asset_id = before.asset_id and ends.ex_date = before.ex_date
    left join following
        on ends.asset_id = following.asset_id and ends.ex_date = following.ex_date
    left join changes
        on ends.asset_id = changes.asset_id and ends.ex_date = changes.ex_date
    left join before as others
        on ends.new_asset_id = others.asset_id and ends.ex_date = others.ex_date
    left join following as successors
        on
            ends.new_asset_id = successors.asset_id
            and ends.ex_date = successors.ex_date
)

select
    asset_id,
    ex_date,
    new_asset_id,
    next_bar,
    new_last_bar,
    abs(ln(ratio)) as size,
    abs(ln(next_price / price)) as move,
    abs(ln(next_price * ratio / price)) as split_move,
    abs(ln(new_price * ratio / price)) as rename_move,
    abs(ln(new_price / new_last_price)) as new_move
from priced
