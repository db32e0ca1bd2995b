-- grain:  one row per row of :source known by then, and the first of each asset
-- reads:  :source
-- params: :items, :clock, :until
-- An asset has terms before anything else of it is told.
select :items
from :source
qualify
    :clock <= :until
    or row_number() over (partition by asset_id order by :clock asc) = 1
