-- grain:  one row per run that goes
-- reads:  :runs, the list of a store
-- params: :metric and :direction by which runs are ranked, $n of the best that stay,
--         $before moment of the latest that goes, $untagged alone go
-- A run goes if all that is asked holds for it; what is not asked is NULL. A damaged run stays:
-- nobody knows what it is. A metric that is NULL or NaN is below every other.
with

ranked as (
    select
        run_id,
        created_at,
        tags,
        row_number() over (
            order by
                isfinite(:metric) desc nulls last,
                :metric :direction nulls last,
                created_at desc,
                run_id asc
        ) as place
    from :runs as metrics
    where problem is null
)

select run_id
from ranked
where
    ($n::bigint is null or place > $n::bigint)
    and ($before::timestamptz is null or created_at < $before::timestamptz)
    and (not $untagged::boolean or len(tags) = 0)
order by run_id asc
