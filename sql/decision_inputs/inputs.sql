-- grain:  one row per row of :matched
-- reads:  :matched, :told
-- params: :source, :clock_type, :is_told, :is_empty
-- Whether what was read was known. The rows of the source answer, past the join that matched them:
-- there must be one of the clock with these values, and nothing known shows no value.
with

untold as (
    select
        matched.timestamp,
        matched.asset_id
    from :matched as matched
    anti join :told as told on :is_told
    where not (matched.__known_at is null and :is_empty)
)

select
    :source as source,
    matched.timestamp,
    matched.asset_id::varchar as asset_id,
    cast(matched.__known_at as :clock_type) as available_at,
    untold.timestamp is null
    and coalesce(matched.__known_at <= matched.timestamp, true) as is_known
from :matched as matched
left join untold
    on
        matched.timestamp = untold.timestamp
        and matched.asset_id is not distinct from untold.asset_id
