-- grain:  one row
-- reads:  :source
-- params: :clock, :assets
-- What describe() shows of a source.
select
    count(*) as n_rows,
    :assets as n_assets,
    min(:clock) as first_timestamp,
    max(:clock) as last_timestamp
from :source
