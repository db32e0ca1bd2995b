-- grain:  one row per (asset_id, session) without a bar between two bars of the asset
-- reads:  main.prices, stage.bar_sessions, stage.sessions
-- params: none
-- A halt, or a hole of the file. Days on which no asset has a bar are session_without_bar.
with

traded as (
    select distinct
        prices.asset_id,
        bars.session
    from main.prices as prices
    inner join stage.bar_sessions as bars on prices.timestamp = bars.timestamp
),

spans as (
    select
        asset_id,
        min(session) as first_session,
        max(session) as last_session
    from traded
    group by asset_id
),

common as (
    select distinct sessions.session
    from stage.sessions as sessions
    semi join stage.bar_sessions as bars on sessions.session = bars.session
    where sessions.is_open
)

select
    spans.asset_id,
    common.session
from spans
inner join common
    on common.session between spans.first_session and spans.last_session
anti join traded
    on
        spans.asset_id = traded.asset_id
        and common.session = traded.session
