-- grain:  one row per row of prices
-- reads:  main.prices
-- params: :open, :high, :low, :close, :volume, a missing one replaced by its harmless stand-in;
--         :tolerance as in the checks of ranges
-- Whether some check of prices may refuse a row (1), and whether nothing traded in its bar (2).
select
    *,
    case
        -- Nearly every row is sound and traded, which takes half the time to say.
        when
            -- Not by comparisons, which NaN passes: pyarrow and polars leave it out of a file's
            -- statistics, and DuckDB takes what holds within those for true of all values.
            isfinite(:low)
            and isfinite(:open)
            and isfinite(:close)
            and isfinite(:high)
            and isfinite(:volume)
            and :low > 0
            and :volume > 0
            -- Not least(open, close), which skips a NULL.
            and :low <= :open
            and :low <= :close
            and :open <= :high
            and :close <= :high
            and asset_id is not null
            and isfinite(timestamp)
            then 0
        -- A row that passes this is refused by no check.
        when
            asset_id is not null
            and isfinite(:low)
            and isfinite(:open)
            and isfinite(:close)
            and isfinite(:high)
            and :low > 0
            and :open > 0
            and :close > 0
            and :high > 0
            and :low - :tolerance * :low <= :open
            and :low - :tolerance * :low <= :close
            and :high + :tolerance * :high >= :open
            and :high + :tolerance * :high >= :close
            -- Which an open and a close at the edges of both do not say.
            and :low - :tolerance * :low <= :high
            and isfinite(timestamp)
            and coalesce(:volume >= 0 and isfinite(:volume), true)
            then 2 * coalesce((:volume = 0)::integer, 0)
        else 1 + 2 * coalesce((:volume = 0)::integer, 0)
    end as __flags
from main.prices
