-- grain:  one row per fill
-- reads:  :filled, main.prices, stage.timeline, stage.assets
-- params: none
-- What everybody traded in the bar of each fill, asked once after the run: to carry it through the
-- loop would cost every bar.
with

wanted as (
    select distinct
        filled.t,
        filled.sid,
        timeline.timestamp,
        assets.asset_id
    from :filled as filled
    inner join stage.timeline as timeline on filled.t = timeline.t
    inner join stage.assets as assets on filled.sid = assets.sid
),

-- By their times alone first: a join by both keys at once would decode every row of the source.
bars as (
    select
        prices.timestamp,
        prices.asset_id,
        prices.volume::double as volume
    from main.prices as prices
    where prices.timestamp in (select wanted.timestamp from wanted)
),

traded as (
    select
        wanted.t,
        wanted.sid,
        bars.volume
    from bars
    inner join wanted
        on
            bars.timestamp = wanted.timestamp
            and bars.asset_id = wanted.asset_id
)

select traded.volume
from :filled as filled
left join traded
    on
        filled.t = traded.t
        and filled.sid = traded.sid
order by filled.fill asc
