-- grain:  one row per (t, sid) of which something became known since the bar before
-- reads:  :known, stage.assets, stage.timeline, :first_bars
-- params: :columns, :since, :is_fresh, $first_t
-- The newest that lenders said between two bars, whether or not the asset has a bar at the
-- second: who is short of what does not trade pays for it all the same. At the first bar of a run
-- it is the newest of all that they said before.
with

first_bars as (
    select *
    from (:first_bars)
),

placed as (
    select
        timeline.t,
        assets.sid,
        :columns
    from :known as known
    inner join first_bars on known.available_at = first_bars.moment
    inner join stage.timeline as timeline
        on greatest(first_bars.t, $first_t::integer) = timeline.t
    inner join stage.assets as assets on known.asset_id = assets.asset_id
    where :since and :is_fresh
    qualify row_number() over (
        partition by timeline.t, assets.sid
        order by known.available_at desc
    ) = 1
)

select * from placed
