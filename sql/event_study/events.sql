-- grain:  one row per time at which a condition becomes true for an asset
-- reads:  :scored, what a condition says of each bar of an asset
-- params: :target
-- True at a bar and not at the asset's bar before; of an asset's first bar nothing can be said.
create or replace temp table :target as
with

told as (
    select
        t,
        sid,
        __is_eligible as is_true,
        lag(__is_eligible) over (partition by sid order by t) as was_true
    from (:scored)
)

select
    t,
    sid
from told
where is_true and not was_true
