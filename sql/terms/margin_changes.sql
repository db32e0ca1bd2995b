-- grain:  one row per change of a contract's margins
-- reads:  main.assets, stage.assets, :first_bars
-- params: :initial, :maintenance, $first_t, $last_t
-- From the close of the first bar at or after the time at which each became known. What is known
-- first of a contract, or before the run, counts from its start.
with

first_bars as (
    select *
    from (:first_bars)
),

changes as (
    select
        numbers.sid,
        assets.available_at,
        case
            when
                first_bars.t < $first_t::integer
                or row_number() over (
                    partition by numbers.sid
                    order by assets.available_at
                ) = 1
                then -1
            else first_bars.t - $first_t::integer
        end as t,
        coalesce(:initial, 'nan'::double) as initial,
        coalesce(:maintenance, 'nan'::double) as maintenance
    from main.assets as assets
    inner join stage.assets as numbers on assets.asset_id = numbers.asset_id
    inner join first_bars on assets.available_at = first_bars.moment
)

select
    t,
    sid,
    initial,
    maintenance
from changes
where t <= $last_t::integer - $first_t::integer
order by t asc, available_at asc, sid asc
