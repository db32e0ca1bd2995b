-- grain:  one row per trial that ended well, and bar
-- reads:  planned, :kept
-- params: none
-- Returns per bar as report.bar_returns has them.
select
    planned.trial,
    unnest(kept.timestamps) as timestamp,
    unnest(kept.sessions) as session,
    unnest(kept.bar_returns) as bar_return,
    unnest(kept.excess_returns) as excess
from planned
inner join (:kept) as kept on planned.run_id = kept.run_id
where planned.error is null
order by planned.trial asc, timestamp asc
