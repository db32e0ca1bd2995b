-- grain:  one row per bar
-- reads:  staged_equity, stage.timeline
-- params: $run_id, $initial_capital
-- Drawdown is equity / highest equity so far - 1, the initial capital included: 0 or below.
create table equity as
select
    $run_id::varchar as run_id,
    timeline.timestamp,
    staged.equity,
    staged.cash,
    staged.gross_exposure,
    staged.net_exposure,
    staged.n_positions::integer as n_positions,
    staged.equity / greatest(
        $initial_capital::double,
        max(staged.equity) over (
            order by staged.t rows between unbounded preceding and current row
        )
    ) - 1 as drawdown,
    timeline.session
from staged_equity as staged
inner join stage.timeline as timeline on staged.t = timeline.t
order by staged.t asc
