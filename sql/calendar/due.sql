-- grain:  one row per decision bar
-- reads:  :states
-- params: $begin_t
-- A period decides once: at its first bar at which the decision is due. An end that passed without
-- such a bar is made up for at the next one; a start that is later than all sessions of its period
-- is not, and neither is what was due before the first bar of the run, $begin_t.
with

so_far as (
    select
        t,
        period,
        is_due,
        is_exact,
        is_made_up,
        bool_or(is_due) over (
            partition by period
            order by t asc
            rows between unbounded preceding and current row
        ) as was_due
    from (:states) as given
    where t >= $begin_t
),

compared as (
    select
        t,
        is_due,
        is_exact,
        is_made_up,
        coalesce(lag(t) over (order by t asc) is null, true) as is_first,
        coalesce(period <> lag(period) over (order by t asc), true) as is_new,
        lag(was_due) over (order by t asc) as was_due_before
    from so_far
)

select t
from compared
where
    case
        when is_first then is_exact
        when is_new then is_due or (is_made_up and not was_due_before)
        else is_due and not was_due_before
    end
order by t asc
