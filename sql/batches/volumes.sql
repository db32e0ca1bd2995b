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

traded as (
    select
        wanted.t,
        wanted.sid,
        prices.volume::double as volume
    from main.prices as prices
    inner join wanted
        on
            prices.timestamp = wanted.timestamp
            and prices.asset_id = wanted.asset_id
)

select traded.volume
from :filled as filled
left join traded
    on
        filled.t = traded.t
        and filled.sid = traded.sid
order by filled.fill asc
