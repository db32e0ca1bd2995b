-- grain:  one row per close, fill, level, decision and selection in the time of a trade
-- reads:  trades, positions, decisions, selections, orders, fills
-- params: none
-- A trade on its price: kind is close (the mark of the position), entry, exit, level (a stop or
-- target that was touched), decision (what else a rule or limit did) or selection (rank and score
-- when it was chosen, before its entry too). price is NULL where there is none. Closes are those
-- at which the asset was held: a run keeps no others. The line `where trade_id = 0` picks the trade.
with

picked as (
    select
        trades.*,
        coalesce(orders.created_at, trades.entry_timestamp) as decided_at,
        coalesce(trades.exit_timestamp, (select max(timestamp) from main.equity))
            as until
    from main.trades
    left join main.fills on trades.entry_fill_id = fills.fill_id
    left join main.orders on fills.order_id = orders.order_id
    where trade_id = 0
),

points as (
    select
        positions.timestamp,
        'close' as kind,
        positions.price,
        null as note
    from picked
    inner join main.positions
        on
            picked.asset_id = positions.asset_id
            and picked.entry_timestamp <= positions.timestamp
            and picked.until >= positions.timestamp
    union all
    select
        entry_timestamp as timestamp,
        'entry' as kind,
        entry_price as price,
        null as note
    from picked
    union all
    select
        exit_timestamp as timestamp,
        'exit' as kind,
        exit_price as price,
        exit_rule as note
    from picked
    where exit_timestamp is not null
    union all
    select
        decisions.timestamp,
        case
            when decisions.action in ('stop', 'target') then 'level'
            else 'decision'
        end as kind,
        case when decisions.action in ('stop', 'target') then decisions.level end
            as price,
        decisions.rule || ': ' || coalesce(decisions.reason, decisions.action) as note
    from picked
    inner join main.decisions
        on
            picked.asset_id = decisions.asset_id
            and picked.decided_at <= decisions.timestamp
            and picked.until >= decisions.timestamp
    union all
    select
        selections.timestamp,
        'selection' as kind,
        null as price,
        'rank ' || selections.rank || coalesce(', score ' || selections.score, '')
            as note
    from picked
    inner join main.selections
        on
            picked.asset_id = selections.asset_id
            and picked.decided_at <= selections.timestamp
            and picked.until >= selections.timestamp
)

select *
from points
order by timestamp asc, kind asc, price asc, note asc
