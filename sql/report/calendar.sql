-- grain:  one row
-- reads:  equity, runs
-- params: none
-- How many bars a year has, which everything annual rests on: as the user stated it, or bars per
-- session times sessions per year, of a calendar where there is one. A year is 365.25 days.
-- Sessions are counted where the run is long enough (90 days) or thin; a few daily sessions say
-- little of a year, as weekends and holidays at their ends would decide: there are 252 a year, or
-- 365.25 where weekends trade too.
-- Saturdays are weekend trading. A Sunday is where the run saw no Saturday and traded on it as on
-- other days; else its evening belongs to Monday, unless Fridays are free and it is a weekday.
with

days as (
    select
        session,
        count(*) as n_bars
    from main.equity
    group by session
),

spans as (
    select
        max(session) - min(session) >= 90 as is_long,
        coalesce(bool_or(isodow(session) = 7), false) as has_sundays,
        coalesce(bool_or(isodow(session) = 6), false) as has_saturdays,
        coalesce(bool_or(isodow(session) = 5), false) as has_fridays,
        isodow(min(session)) % 7 + (max(session) - min(session)) >= 6 as spans_saturday,
        coalesce(
            avg(n_bars) filter (where isodow(session) = 7) >= 0.5 * max(n_bars), false
        ) as has_whole_sundays
    from days
),

weekends as (
    select
        *,
        has_saturdays
        or (has_sundays and not spans_saturday and has_whole_sundays) as has_weekends
    from spans
),

sessions as (
    select
        weekends.is_long,
        weekends.has_weekends,
        case
            when
                isodow(days.session) = 7
                and not weekends.is_long
                and not weekends.has_weekends
                and (weekends.has_fridays or not weekends.spans_saturday)
                then days.session + 1
            else days.session
        end as session,
        sum(days.n_bars)::bigint as n_bars
    from days
    cross join weekends
    group by all
),

placed as (
    select
        *,
        row_number() over (order by session asc) as place,
        count(*) over () as n_sessions
    from sessions
),

counted as (
    select
        count(*) as n_sessions,
        sum(n_bars)::bigint as n_bars,
        min(session) as first_session,
        max(session) as last_session,
        max(session) - min(session) as n_days,
        coalesce(bool_or(is_long), false) as is_long,
        coalesce(bool_or(has_weekends), false) as has_weekends,
        -- The first and the last session of a short run may be cut.
        coalesce(
            avg(n_bars) filter (where place > 1 and place < n_sessions),
            max(n_bars)
        ) as whole_session
    from placed
),

-- Mondays to Fridays among the days n, n + 1, ... m, counted from Monday 0001-01-01, are
-- f(m + 1) - f(n), with f(n) those among the first n days.
bounds as (
    select
        *,
        last_session - date '0001-01-01' + 1 as after_last,
        first_session - date '0001-01-01' as before_first
    from counted
),

weeks as (
    select
        *,
        5 * (after_last // 7) + least(after_last % 7, 5)
        - 5 * (before_first // 7) - least(before_first % 7, 5) as n_weekdays
    from bounds
),

rules as (
    select
        *,
        case when is_long then n_bars / n_sessions else whole_session end
            as bars_per_session,
        case
            when is_long then null
            when has_weekends and n_sessions >= 0.95 * (n_days + 1) then 365.25
            when not has_weekends and n_sessions >= 0.75 * n_weekdays then 252
        end as usual_sessions
    from weeks
),

-- Sessions of a year that are stated or of an asset class are those of the exchange. Bars of fewer
-- than three days in four, as those of weeks are, have their share of a bar in each.
shared as (
    select
        rules.n_sessions,
        rules.is_long,
        runs.periods_per_year,
        case
            when runs.periods_per_year is not null then 'stated'
            when runs.sessions_from is not null then runs.sessions_from
            when rules.usual_sessions is not null then 'assumed'
            else 'counted'
        end as annualised_by,
        coalesce(
            runs.bars_per_session,
            rules.bars_per_session * case
                when
                    rules.n_sessions < 0.75 * case
                        when rules.has_weekends then rules.n_days + 1
                        else rules.n_weekdays
                    end
                    then least(
                        coalesce(
                            (rules.n_sessions - 1)
                            / (rules.n_days / 365.25 * runs.sessions_per_year),
                            1
                        ),
                        1
                    )
                else 1
            end
        ) as bars_per_session,
        coalesce(
            runs.sessions_per_year,
            rules.usual_sessions,
            case
                when rules.n_days > 0
                    then (rules.n_sessions - 1) / (rules.n_days / 365.25)
            end
        )::double as sessions_per_year
    from rules
    cross join main.runs
)

select
    n_sessions,
    bars_per_session::double as bars_per_session,
    sessions_per_year,
    coalesce(
        periods_per_year, bars_per_session * sessions_per_year
    )::double as bars_per_year,
    annualised_by,
    is_long as has_annual_return
from shared
