-- grain:  one row per way to split the trades and part of it
-- reads:  report.trades_explained
-- params: none
-- Which trades made the money: each name splits all of them, open lots at their mark included, so
-- that its parts add up to sum(pnl) of trades. Names: exit_rule, side, month (of the exit),
-- holding (bars), each text that was known at the entry (sector, regime) under its own name, and
-- of each number its decile, "decile of x": 1 + floor(10 * share of the trades that had less of it
-- at their entry), equal values in one. A value of NULL: still open, or not known then. Sums are
-- in the order of trades, so that every client finds the same last digit.
with

explained as (
    select *
    from report.trades_explained
),

texts as (
    select
        trade_id,
        unnest(map_keys(entry_texts)) as key,
        unnest(map_values(entry_texts)) as value
    from explained
),

numbers as (
    select
        trade_id,
        unnest(map_keys(entry_signals)) as key,
        unnest(map_values(entry_signals)) as value
    from explained
),

deciles as (
    select
        trade_id,
        'decile of ' || key as name,
        1 + floor(
            10 * (rank() over (partition by key order by value asc) - 1)
            / count(*) over (partition by key)
        )::integer as decile
    from numbers
),

found as (
    select
        trade_id,
        key as name,
        value
    from texts
    union all
    select
        trade_id,
        name,
        lpad(decile::varchar, 2, '0') as value
    from deciles
),

names as (
    select distinct name
    from found
),

parts as (
    select
        trade_id,
        'exit_rule' as name,
        exit_rule as value
    from explained
    union all
    select
        trade_id,
        'side' as name,
        side as value
    from explained
    union all
    select
        trade_id,
        'month' as name,
        strftime(exit_session, '%Y-%m') as value
    from explained
    union all
    select
        trade_id,
        'holding' as name,
        case
            when bars_held <= 1 then bars_held::varchar
            when bars_held <= 5 then '2 to 5'
            when bars_held <= 20 then '6 to 20'
            when bars_held <= 60 then '21 to 60'
            when bars_held <= 250 then '61 to 250'
            when bars_held > 250 then 'above 250'
        end as value
    from explained
    union all
    -- A trade of which a value is not known is a part too, or the parts would not add up.
    select
        explained.trade_id,
        names.name,
        found.value
    from explained
    cross join names
    left join found on explained.trade_id = found.trade_id and names.name = found.name
)

select
    parts.name,
    parts.value,
    count(*) as n_trades,
    sum(explained.pnl order by explained.trade_id asc) as pnl,
    sum(explained.pnl_before_costs order by explained.trade_id asc) as pnl_before_costs,
    avg(explained."return" order by explained.trade_id asc) as average_return,
    avg(explained.mae order by explained.trade_id asc) as average_mae,
    avg(explained.mfe order by explained.trade_id asc) as average_mfe
from parts
inner join explained on parts.trade_id = explained.trade_id
group by parts.name, parts.value
order by parts.name asc, parts.value asc
