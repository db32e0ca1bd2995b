-- grain:  one row per cell, one as a rule
-- reads:  :view
-- params: :item, :magnitude, :keys, :known
-- A cell of a view, with the largest number of its column up to its bar: what is tiny beside that
-- may be rounding.
select
    :item as value,
    (
        select max(abs(:magnitude))
        from :view as earlier
        where :known
    ) as largest
from :view
where :keys
