-- grain:  one row, where no membership ends before the data does
-- reads:  :source, stage.timeline
-- params: $slack_days, $leaving_rate, $least_entries, $least_expected
-- An index changes. Where nobody ever leaves, the members are those of today, chosen since they
-- did well.
with

ends as (
    select
        min(timestamp)::date as first_day,
        max(timestamp)::date as last_day
    from stage.timeline
),

members as (
    select
        universe.asset_id,
        min(greatest(universe.start_date::date, ends.first_day)) as first_day,
        -- An end that is not known is none.
        max(
            coalesce(
                least(universe.end_date::date, ends.last_day + 1), ends.last_day + 1
            )
        ) as last_day
    from :source as universe
    cross join ends
    where
        universe.start_date::date <= ends.last_day
        and coalesce(universe.end_date::date >= ends.first_day, true)
    group by universe.asset_id
),

counted as (
    select
        count(*) as n_members,
        count(*) filter (where members.last_day <= ends.last_day) as n_left,
        count(*) filter (
            where members.first_day > ends.first_day + $slack_days::integer
        ) as n_entered,
        sum(members.last_day - members.first_day) / 365.25 as n_years
    from members
    cross join ends
)

select
    'end_date' as column_name,
    n_members as n_rows,
    n_years * $leaving_rate as value,
    n_members || ' members, ' || n_entered || ' begin after the first bar and none '
    || 'ends before the last; over ' || round(n_years)::integer || ' years of members '
    || round(n_years * $leaving_rate)::integer || ' would be usual' as sample
from counted
where
    n_left = 0
    and (
        n_entered >= $least_entries
        or n_years * $leaving_rate >= $least_expected
    )
