-- grain:  one row per sid with a bar, members alone
-- reads:  :scored
-- params: :target, :direction, :n, :share
-- As ranking/ranked, but nothing is left out: the filter that an asset fails, NULL where it
-- passes, and the rank that it has whether it is kept or not.
create or replace temp table :target as
with

guarded as (
    select
        sid,
        __score,
        __filter,
        __group,
        coalesce(__is_eligible and isfinite(__score), false)
        and __group is not null as __is_ranked
    from (:scored)
)

select
    sid,
    __score as score,
    __filter as filter_text,
    __group::varchar as group_text,
    __is_ranked as is_ranked,
    row_number() over (
        partition by __group, __is_ranked
        order by __score :direction, sid asc
    ) as place,
    :n as n_kept,
    -- Of what a share is one, where n is a share.
    case
        when :share = '' then ''
        else :share || count(*) over (partition by __group, __is_ranked) || ')'
    end as share_text
from guarded
