-- grain:  one row per decision bar, asset and horizon with a forward return
-- reads:  :scores, :prices, stage.timeline
-- params: :target, $delay, $horizons
-- formula: price[t + delay + horizon] / price[t + delay] - 1, total: with splits and dividends
-- Bars are those of the market. What has no bar of its own at the first of the two has no return;
-- at the second it is worth its last close, or what it was paid out with, as a position of a run
-- is: leaving it out would leave out those that died. Past the last bar nothing is known.
create or replace temp table :target as
with

horizons as (
    select unnest($horizons::integer[]) as horizon
),

entries as (
    select
        scores.t,
        scores.sid,
        prices.price,
        prices.adjustment
    from :scores as scores
    inner join :prices as prices
        on scores.sid = prices.sid and scores.t + $delay = prices.t
    where prices.is_bar
),

held as (
    select
        entries.*,
        horizons.horizon,
        entries.t + $delay + horizons.horizon as exit_t
    from entries
    cross join horizons
    where
        entries.t + $delay + horizons.horizon
        <= (select max(timeline.t) from stage.timeline as timeline)
),

returned as (
    select
        held.t,
        held.sid,
        held.horizon,
        case when exits.t = held.exit_t then exits.price else exits.close end
        / held.price * (exits.adjustment / held.adjustment)
        - 1 as forward_return
    from held
    asof inner join :prices as exits
        on held.sid = exits.sid and held.exit_t >= exits.t
)

select * from returned
where isfinite(forward_return)
