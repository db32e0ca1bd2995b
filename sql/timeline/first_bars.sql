-- grain:  one row per moment of :moments and per bar
-- reads:  stage.timeline
-- params: :moments selects (moment)
-- The first bar at or after each moment, NULL after the last bar. A window and not an as-of
-- join: without an equality DuckDB may plan that as a loop over all pairs, by an estimate.
with

moments as (
    select
        timestamp as moment,
        t
    from stage.timeline
    where timestamp is not null
    union all
    select
        moment,
        null::integer as t
    from (:moments)
),

first_bars as (
    select distinct
        moment,
        min(t) over (order by moment desc) as t
    from moments
)

select * from first_bars
