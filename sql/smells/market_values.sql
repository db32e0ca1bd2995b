-- grain:  one row per bar of :times
-- reads:  :values, :market
-- params: :target, :items
-- The same of the whole market, which is number -1: the mean move of its assets.
create or replace temp table :target as
with

means as (
    select
        t,
        avg(__return order by sid) as __return,
        avg(__volume_move order by sid) as __volume_move,
        avg(__range_move order by sid) as __range_move
    from :values
    group by t
)

select
    means.*,
    -1 as sid,
    null::double as __close,
    :items
from means
inner join :market as market on means.t = market.t
