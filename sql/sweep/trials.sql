-- grain:  one row per trial
-- reads:  :planned, :kept
-- params: :known, :metrics
-- Every trial that was planned, in the order of the grid, with its metrics or with its error.
select
    :known,
    :metrics,
    coalesce(planned.seconds, kept.seconds) as seconds,
    planned.error
from :planned as planned
left join (:kept) as kept on planned.run_id = kept.run_id and planned.error is null
order by planned.trial asc
