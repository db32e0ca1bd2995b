-- grain:  one row per row of prices
-- reads:  main.prices
-- params: :open, :high, :low, :close, :volume, a missing one replaced by its harmless stand-in;
--         :tolerance as in the checks of ranges
-- Whether some check of prices may refuse a row (1), and whether nothing traded in its bar (2).
select
    *,
    case
        when
            asset_id is not null
            -- NaN sorts above infinity, so one chain of comparisons also refuses NaN.
            and :low > 0
            and :open > 0
            and :close > 0
            and :high > 0
            -- Not least(open, close), which skips a NULL.
            and :low - :tolerance * :low <= :open
            and :low - :tolerance * :low <= :close
            and :high + :tolerance * :high >= :open
            and :high + :tolerance * :high >= :close
            and :high < 'infinity'::double
            and isfinite(timestamp)
            and coalesce(:volume >= 0 and :volume < 'infinity'::double, true)
            then 0
        else 1
    end
    + case when :volume = 0 then 2 else 0 end as __flags
from main.prices
