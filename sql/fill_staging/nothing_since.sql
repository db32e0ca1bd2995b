-- grain:  no row
-- reads:  :fills
-- params: none
-- Prices without a range do not say how far they went.
select
    fill_id,
    null::double as low_since,
    null::double as high_since
from :fills
where false
