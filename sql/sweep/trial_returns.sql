-- grain:  one row per trial that ended well, and bar
-- reads:  trials, :kept
-- params: none
-- Returns per bar as report.bar_returns has them, read from the store whenever they are asked for.
select
    planned.trial,
    unnest(kept.timestamps) as timestamp,
    unnest(kept.sessions) as session,
    unnest(kept.bar_returns) as bar_return,
    unnest(kept.excess_returns) as excess
from main.trials as planned
inner join (:kept) as kept on planned.run_id = kept.run_id
where planned.error is null
