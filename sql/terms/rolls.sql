-- grain:  one row per roll that is decided at a bar of the run
-- reads:  main.rolls, stage.assets, :first_bars
-- params: $first_t, $last_t
-- Each at the close of the first bar at or after its time, numbered as the loop reads it. What
-- was decided before the run is in what the strategy chooses.
with

first_bars as (
    select *
    from (:first_bars)
),

rolled as (
    select
        first_bars.t - $first_t::integer as t,
        assets.sid,
        coalesce(new_assets.sid, -1) as new_sid
    from main.rolls as rolls
    inner join stage.assets as assets on rolls.asset_id = assets.asset_id
    inner join first_bars on rolls.timestamp = first_bars.moment
    left join stage.assets as new_assets on rolls.new_asset_id = new_assets.asset_id
    where first_bars.t between $first_t::integer and $last_t::integer
)

select * from rolled
order by t asc, sid asc, new_sid asc
