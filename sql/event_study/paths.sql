-- grain:  one row per event and offset at which the asset has a price
-- reads:  :events, :prices, :market, stage.timeline, stage.assets
-- params: :target, $before, $after
-- formula: cumulative_return = close[t + offset] / close[t] - 1, total: with splits and dividends;
--          abnormal_return = that less the return of all assets, equally weighted at every bar,
--          over the same bars
-- Offsets are bars of the market. Without a bar of its own an asset has its last close, or what it
-- was paid out with. At offset 0 all are 0: that close was known when the condition was.
create or replace temp table :target as
with

offsets as (
    select unnest(range(-$before, $after + 1)) as bar_offset
),

wanted as (
    select
        events.t,
        events.sid,
        offsets.bar_offset,
        (events.t + offsets.bar_offset)::integer as at_t
    from :events as events
    cross join offsets
    where
        events.t + offsets.bar_offset between 0
        and (select max(timeline.t) from stage.timeline as timeline)
),

priced as (
    select
        wanted.*,
        prices.close,
        prices.adjustment
    from wanted
    asof inner join :prices as prices
        on wanted.sid = prices.sid and wanted.at_t >= prices.t
)

select
    timeline.timestamp,
    assets.asset_id,
    priced.bar_offset,
    priced.close / base.close * (priced.adjustment / base.adjustment)
    - 1 as cumulative_return,
    priced.close / base.close * (priced.adjustment / base.adjustment)
    - there.growth / here.growth as abnormal_return
from priced
inner join :prices as base on priced.sid = base.sid and priced.t = base.t
inner join :market as here on priced.t = here.t
inner join :market as there on priced.at_t = there.t
inner join stage.timeline as timeline on priced.t = timeline.t
inner join stage.assets as assets on priced.sid = assets.sid
order by timeline.timestamp asc, assets.asset_id asc, priced.bar_offset asc
