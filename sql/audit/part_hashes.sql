-- grain:  one row per number of a bar with rows since the one before
-- reads:  :rows
-- params: :keys, :since, :sums
-- What columns hold between some bars, each in one number, whatever the order of its rows; :since
-- is NULL behind the last of them.
with

keyed as (
    select
        *,
        hash(:keys) as __key,
        :since as __since
    from :rows
)

select
    __since as since,
    count(*) as n_rows,
    :sums
from keyed
where __since is not null
group by __since
