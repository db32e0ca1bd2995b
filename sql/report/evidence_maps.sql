-- grain:  one row per bar and asset of which something was ordered
-- reads:  orders, evidence, signals
-- params: none
-- What was known at the close at which an order was decided, as maps: numbers and texts of the
-- asset, and those that are market-wide. A missing value has no key.
with

ordered as (
    select distinct
        created_at as timestamp,
        asset_id
    from main.orders
    where created_at is not null
),

known as (
    select
        timestamp,
        asset_id,
        name,
        value,
        value_text
    from main.evidence
    union all
    select
        timestamp,
        asset_id,
        name,
        value,
        value_text
    from main.signals
),

values_known as (
    select
        ordered.timestamp,
        ordered.asset_id,
        known.name,
        known.value,
        known.value_text
    from ordered
    inner join known
        on ordered.timestamp = known.timestamp and ordered.asset_id = known.asset_id
    union all
    select
        ordered.timestamp,
        ordered.asset_id,
        known.name,
        known.value,
        known.value_text
    from ordered
    inner join known on ordered.timestamp = known.timestamp
    where known.asset_id is null
),

-- A name stands once, whoever said it.
named as (
    select
        timestamp,
        asset_id,
        name,
        any_value(value) as value,
        any_value(value_text) as value_text
    from values_known
    group by timestamp, asset_id, name
)

select
    timestamp,
    asset_id,
    map(
        coalesce(list(name order by name) filter (where value is not null), []),
        coalesce(list(value order by name) filter (where value is not null), [])
    ) as numbers,
    map(
        coalesce(list(name order by name) filter (where value_text is not null), []),
        coalesce(
            list(value_text order by name) filter (where value_text is not null), []
        )
    ) as texts
from named
group by timestamp, asset_id
order by timestamp asc, asset_id asc
