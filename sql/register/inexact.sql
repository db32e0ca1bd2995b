-- grain:  one row per value of a column that its common type cannot hold
-- reads:  :source
-- params: :source, :item, :kind, :common
-- A whole number beyond 2^53 is none of a DOUBLE's: it comes back as another, or not at all.
select :item as value
from :source
where :item is distinct from try_cast(try_cast(:item as :common) as :kind)
