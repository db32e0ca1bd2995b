-- grain:  one row per cell, one as a rule
-- reads:  :view
-- params: :asset_id, :item, :magnitude, :keys, :known
-- A cell of a view, with the largest number of its column up to its bar: what is tiny beside that
-- may be rounding.
select
    :asset_id as asset_id,
    :item as value,
    (
        select max(abs(:magnitude))
        from :view as earlier
        where :known
    ) as largest
from :view
where :keys
