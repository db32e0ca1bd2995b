-- grain:  one row per trade
-- reads:  trades, fills, orders, selections, decisions, equity, report.evidence_maps
-- params: none
-- From a trade to its evidence: the fills and orders that opened and closed it, when they were
-- decided, what the ranking and the rule said then, and what was known at those closes.
-- pnl_before_costs = pnl + commission + tax + fee + slippage + impact + borrow, dividends included.
-- days_held counts calendar days between trading dates. An open lot has no exit; one that ended without an
-- order (a delisting, cash in lieu) has neither exit order nor evidence of one.
with

sides as (
    select
        fills.fill_id,
        fills.timestamp as filled_at,
        orders.order_id,
        orders.order_type,
        orders.tag,
        orders.created_at,
        orders.asset_id,
        selections.rank,
        selections.score,
        selections.weight,
        known.numbers,
        known.texts
    from main.fills as fills
    inner join main.orders as orders on fills.order_id = orders.order_id
    left join main.selections as selections
        on
            orders.created_at = selections.timestamp
            and orders.asset_id = selections.asset_id
    left join report.evidence_maps as known
        on orders.created_at = known.timestamp and orders.asset_id = known.asset_id
),

-- A level is touched at the bar of the fill; what is asked for at a close fills later.
decided as (
    select
        sides.fill_id,
        decisions.reason,
        decisions.level,
        decisions.features
    from sides
    inner join main.decisions as decisions
        on
            sides.asset_id = decisions.asset_id
            and sides.tag = decisions.rule
            and decisions.timestamp = case
                when decisions.action in ('stop', 'target') then sides.filled_at
                else sides.created_at
            end
    qualify row_number() over (
        partition by sides.fill_id
        order by decisions.action desc, decisions.level asc
    ) = 1
)

select
    trades.*,
    case when trades.quantity > 0 then 'long' else 'short' end as side,
    entry_bar.session as entry_session,
    exit_bar.session as exit_session,
    exit_bar.session - entry_bar.session as days_held,
    trades.pnl + trades.commission + coalesce(trades.tax, 0) + coalesce(trades.fee, 0)
    + trades.slippage + trades.impact + trades.borrow
        as pnl_before_costs,
    entered.order_id as entry_order_id,
    entered.order_type as entry_order_type,
    entered.tag as entry_tag,
    entered.created_at as entry_decided_at,
    entered.rank as entry_rank,
    entered.score as entry_score,
    entered.weight as entry_weight,
    entered.numbers as entry_signals,
    entered.texts as entry_texts,
    leaving.order_id as exit_order_id,
    leaving.order_type as exit_order_type,
    leaving.created_at as exit_decided_at,
    leaving.rank as exit_rank,
    leaving.numbers as exit_signals,
    leaving.texts as exit_texts,
    decided.reason as exit_reason,
    decided.level as exit_level,
    decided.features as exit_features
from main.trades as trades
left join sides as entered on trades.entry_fill_id = entered.fill_id
left join sides as leaving on trades.exit_fill_id = leaving.fill_id
left join decided on trades.exit_fill_id = decided.fill_id
left join main.equity as entry_bar on trades.entry_timestamp = entry_bar.timestamp
left join main.equity as exit_bar on trades.exit_timestamp = exit_bar.timestamp
order by trades.trade_id asc
