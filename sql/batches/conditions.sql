-- grain:  one row per (t, sid) with a bar where some condition is not false
-- reads:  :rows
-- params: :joins, :conditions, :is_any
-- The user's conditions, each as 1, 0 or NULL. Most are false at most bars, so that the few
-- other rows are read and the rest is known.
with

signals as (
    select *
    from (:rows)
),

evaluated as (
    select
        signals.t,
        signals.sid,
        :conditions
    from signals
    :joins
)

select * from evaluated
where :is_any
