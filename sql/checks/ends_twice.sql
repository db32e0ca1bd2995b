-- grain:  one row per offending row
-- reads:  :source, stage.action_prices, stage.timeline
-- params: none
-- An asset is delisted or renamed once, until its name trades again: of two ends the account
-- could take only one.
with

ends as (
    select
        asset_id,
        ex_date,
        count(*) as n_rows,
        lead(ex_date) over (partition by asset_id order by ex_date asc) as next_end
    from :source
    where kind in ('delisting', 'rename')
    group by asset_id, ex_date
),

-- After the last bar nobody can tell whether a name traded again.
silent as (
    select
        ends.asset_id,
        ends.ex_date,
        ends.next_end
    from ends
    semi join stage.action_prices as quotes
        on
            ends.asset_id = quotes.asset_id
            and ends.ex_date = quotes.ex_date
            and ends.next_end <= coalesce(quotes.next_bar, ends.next_end)
    where ends.next_end <= (select max(timestamp) from stage.timeline)
),

doubled as (
    select
        asset_id,
        ex_date
    from ends
    where n_rows > 1
    union
    select
        asset_id,
        ex_date
    from silent
    union
    select
        asset_id,
        next_end
    from silent
)

select source.*
from :source as source
semi join doubled
    on source.asset_id = doubled.asset_id and source.ex_date = doubled.ex_date
where source.kind in ('delisting', 'rename')
