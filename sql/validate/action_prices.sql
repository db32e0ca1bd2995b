-- grain:  one row per (asset_id, ex_date, new_asset_id) of an action
-- reads:  main.actions, main.prices, stage.assets
-- params: :new_asset_id, :first_price, :basis
-- Whether the prices around an ex-date follow what is said to have happened. Moves are absolute
-- logarithms: of the price as it is, and of a share with the splits and dividends in between.
create or replace table stage.action_prices as
with

-- Of rows that are equal one is meant: they are refused, or one of them is kept.
actions as (
    select distinct *
    from main.actions
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

lows as (
    select
        asset_id,
        min(close) as price
    from bars
    group by asset_id
),

-- A dividend that is small even of the lowest price is left out: of most assets all of them are,
-- and what is left is compared with the price of its day.
happened as (
    select distinct
        actions.asset_id,
        actions.ex_date,
        case when actions.kind = 'rename' then :new_asset_id end as new_asset_id
    from actions
    semi join stage.assets as assets on actions.asset_id = assets.asset_id
    left join lows on actions.asset_id = lows.asset_id
    where
        actions.kind in ('split', 'rename', 'delisting')
        or (actions.kind = 'dividend' and actions.value >= 0.1 * lows.price)
),

places as (
    select
        asset_id,
        ex_date
    from happened
    union
    select
        new_asset_id,
        ex_date
    from happened
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

by_basis as (
    select
        asset_id,
        ex_date,
        coalesce(product(value) filter (where kind = 'split'), 1) as ratio,
        coalesce(sum(value) filter (where kind = 'dividend' and :basis = 'new'), 0)
            as of_new,
        coalesce(sum(value) filter (where kind = 'dividend' and :basis = 'old'), 0)
            as of_old
    from actions
    where kind in ('split', 'dividend') and value > 0 and isfinite(value)
    group by asset_id, ex_date
),

changes as (
    select
        asset_id,
        ex_date,
        ratio,
        of_old + of_new * ratio as dividends,
        of_old * ratio + of_new as others
    from by_basis
),

-- Between the same two bars other splits and dividends count too; a dividend after a split was
-- paid on the new shares.
between_bars as (
    select
        before.asset_id,
        before.ex_date,
        changes.ex_date as change_date,
        changes.ratio,
        changes.others,
        changes.dividends * coalesce(
            product(changes.ratio) over (
                partition by before.asset_id, before.ex_date
                order by changes.ex_date asc
                rows between unbounded preceding and 1 preceding
            ), 1
        ) as dividends
    from before
    inner join changes
        on before.asset_id = changes.asset_id and before.bar < changes.ex_date
    left join following
        on
            before.asset_id = following.asset_id
            and before.ex_date = following.ex_date
    where changes.ex_date <= coalesce(following.bar, before.ex_date)
),

sums as (
    select
        asset_id,
        ex_date,
        product(ratio) as ratio,
        sum(dividends) as dividends,
        sum(dividends) filter (where change_date <= ex_date) as paid,
        -- As if they were per share of the other basis, where they are of one date.
        case when count(*) = 1 then any_value(others) end as others
    from between_bars
    group by asset_id, ex_date
),

priced as (
    select
        happened.*,
        before.price as last_close,
        following.bar as next_bar,
        following.price as next_price,
        successors.price as new_price,
        others.bar as new_last_bar,
        others.price as new_last_price,
        coalesce(sums.ratio, 1) as ratio,
        coalesce(sums.dividends, 0) as dividends,
        coalesce(sums.paid, 0) as paid,
        sums.others,
        -- A dividend of all that the price was leaves nothing to compare with.
        case
            when before.price > coalesce(sums.dividends, 0)
                then before.price - coalesce(sums.dividends, 0)
        end as price
    from happened
    left join before
        on happened.asset_id = before.asset_id and happened.ex_date = before.ex_date
    left join following
        on
            happened.asset_id = following.asset_id
            and happened.ex_date = following.ex_date
    left join sums
        on happened.asset_id = sums.asset_id and happened.ex_date = sums.ex_date
    left join before as others
        on
            happened.new_asset_id = others.asset_id
            and happened.ex_date = others.ex_date
    left join following as successors
        on
            happened.new_asset_id = successors.asset_id
            and happened.ex_date = successors.ex_date
)

select
    asset_id,
    ex_date,
    new_asset_id,
    last_close,
    next_bar,
    new_last_bar,
    paid,
    ratio,
    dividends / last_close as share,
    abs(ln(ratio)) as size,
    abs(ln(next_price / price)) as move,
    abs(ln(next_price * ratio / price)) as split_move,
    abs(ln(next_price * ratio / last_close)) as cum_move,
    case
        when
            last_close > others
            then abs(ln(next_price * ratio / (last_close - others)))
    end as other_move,
    abs(ln(new_price * ratio / price)) as rename_move,
    abs(ln(new_price / new_last_price)) as new_move
from priced
