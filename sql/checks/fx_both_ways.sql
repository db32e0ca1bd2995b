-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Rows of a pair that the source also has the other way round, at whatever time.
select one.*
from :source as one
where exists (
    select *
    from :source as other
    where
        one.base = other."quote"
        and one."quote" = other.base
        and one.base < one."quote"
)
