-- grain:  one row per row of :relation
-- reads:  :relation
-- params: :time, :until, :keys, :seed, :ordered, :columns
-- Rows of later times stay, with their keys and times, and lie: each has the values of another
-- later row, its numbers times a factor of its own. A bar stays one, and no sign changes, so that
-- checks and logarithms let them pass.
with

marked as (
    select
        *,
        coalesce(:time > :until, false) as __is_later,
        hash(:keys, :seed) as __drawn
    from :relation
),

factors as (
    select
        *,
        exp(
            if(__drawn % 2 = 0, 1, -1)
            * (0.25 + 0.65 * ((__drawn // 2) % 1009) / 1009)
        ) as __factor
    from marked
),

poisoned as (
    select :columns
    from factors
    window others as (
        partition by __is_later
        order by :ordered
    )
)

select * from poisoned
