-- grain:  one row per payment of an asset of prices between the bars of the run
-- reads:  main.funding, stage.assets, stage.timeline, :first_bars
-- params: :rate, :cash, :mark, $first_t, $last_t
-- Each payment at the first bar of the run at or after its time. What is due at the very time of a
-- bar is due at its close; what is due between two bars before anything of the second.
with

first_bars as (
    select *
    from (:first_bars)
)

select
    first_bars.t - $first_t::integer as t,
    assets.sid,
    coalesce(:rate, 'nan'::double) as rate,
    coalesce(:cash, 'nan'::double) as cash,
    coalesce(:mark, 'nan'::double) as mark,
    funding.timestamp = timeline.timestamp as at_close
from main.funding as funding
inner join stage.assets as assets on funding.asset_id = assets.asset_id
inner join first_bars on funding.timestamp = first_bars.moment
inner join stage.timeline as timeline on first_bars.t = timeline.t
where
    first_bars.t <= $last_t::integer
    and first_bars.t >= $first_t::integer
order by
    first_bars.t asc,
    at_close asc,
    funding.timestamp asc,
    assets.sid asc
