-- grain:  one row per row of :evidence of one column
-- reads:  :evidence, :told
-- params: :source, :own_value, :told_value, :same_asset, :named, :is_of_kind
-- What the run wrote down, beside what stands in the row that its source has for the bar.
select
    :source as source,
    evidence.name,
    evidence.timestamp,
    evidence.asset_id::varchar as asset_id,
    cast(:own_value as varchar) as written,
    cast(:told_value as varchar) as told,
    coalesce(:own_value = :told_value, false) as is_same
from :evidence as evidence
left join :told as told
    on evidence.timestamp = told.timestamp and :same_asset
-- An infinite number is written down as NULL.
where evidence.name = :named and :is_of_kind and :own_value is not null
