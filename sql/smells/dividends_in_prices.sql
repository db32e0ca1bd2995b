-- grain:  one row, where prices do not fall at dividends
-- reads:  main.actions, main.prices
-- params: :first_price, $least_dividends, $least_fall, $n_errors
-- formula: slope of (first price / last close - 1, less the market's mean) on dividend / last close,
--          through 0; its standard error is White's
-- source:  Elton and Gruber, Review of Economics and Statistics 52, 1970: prices fall by most of
--          a dividend; White, Econometrica 48, 1980
-- Prices that are adjusted for dividends do not fall at them, and applied again they make money of
-- nothing. One dividend is lost in the day's noise; many are not.
with

moves as (
    select
        timestamp,
        asset_id,
        :first_price
        / lag(close) over (partition by asset_id order by timestamp asc) - 1 as move,
        lag(close) over (partition by asset_id order by timestamp asc) as last_close
    from main.prices
    where close > 0
),

days as (
    select
        timestamp,
        median(move) as market_move
    from moves
    group by timestamp
),

paid as (
    select
        asset_id,
        ex_date,
        sum(value) filter (where kind = 'dividend') as value
    from main.actions
    where isfinite(value)
    group by asset_id, ex_date
    having count(*) filter (where kind <> 'dividend') = 0
),

falls as (
    select
        paid.value / moves.last_close as yield,
        moves.move - days.market_move as move
    from paid
    inner join moves
        on paid.asset_id = moves.asset_id and paid.ex_date = moves.timestamp
    inner join days on moves.timestamp = days.timestamp
    where
        paid.value > 0
        and paid.value < 0.2 * moves.last_close
        and isfinite(moves.move)
        and abs(moves.move) < 0.2
),

slopes as (
    select
        count(*) as n_rows,
        sum(yield * move) / sum(yield * yield) as slope
    from falls
),

told as (
    select
        any_value(slopes.n_rows) as n_rows,
        any_value(slopes.slope) as slope,
        sqrt(
            sum(
                falls.yield * falls.yield
                * (falls.move - slopes.slope * falls.yield)
                * (falls.move - slopes.slope * falls.yield)
            )
        ) / sum(falls.yield * falls.yield) as error
    from falls
    cross join slopes
)

select
    'value' as column_name,
    n_rows,
    -slope as value,
    'at ' || n_rows || ' dividends prices fell by ' || round(-slope, 2)
    || ' of each, give or take ' || round($n_errors * error, 2) as sample
from told
where
    n_rows >= $least_dividends
    and -slope + $n_errors * error < $least_fall
