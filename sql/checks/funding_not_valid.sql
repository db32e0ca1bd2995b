-- grain:  one row per offending row
-- reads:  :source
-- params: :rate, :cash, :mark
select *
from :source
where
    (:rate is null) = (:cash is null)
    or not coalesce(isfinite(:rate) and abs(:rate) < 1, true)
    or not coalesce(isfinite(:cash), true)
    or not coalesce(isfinite(:mark) and :mark > 0, true)
