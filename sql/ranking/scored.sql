-- grain:  one row per (t, sid) of :bars
-- reads:  :bars with what is known at them, :market
-- params: :columns, :joins, :score, :eligible, :grouping, :more
-- What a ranking says of each row, before any is left out. Names that begin with __ are ours: no
-- source may have them.
with

known as (
    select
        bars.t,
        bars.sid
        :columns
    from :bars as bars
    :joins
)

select
    signals.*,
    (:score)::double as __score,
    (:eligible) as __is_eligible,
    (:grouping) as __group
    :more
from known as signals
inner join :market as market on signals.t = market.t
