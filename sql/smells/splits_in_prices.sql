-- grain:  one row, where prices do not follow splits
-- reads:  main.actions, stage.action_prices
-- params: $least_split, $least_share
-- Prices that are adjusted stay where they are at a split, and applied again it makes money of
-- nothing. One that prices do not follow may be an error of its date; many are not.
with

splits as (
    select
        quotes.asset_id,
        quotes.ex_date,
        quotes.move < quotes.split_move as stays
    from stage.action_prices as quotes
    semi join main.actions as actions
        on
            quotes.asset_id = actions.asset_id
            and quotes.ex_date = actions.ex_date
            and actions.kind = 'split'
    where
        quotes.size >= ln($least_split)
        and quotes.move is not null
        and quotes.split_move is not null
)

select
    'value' as column_name,
    count(*) filter (where stays) as n_rows,
    avg(stays::integer) as value,
    'at ' || count(*) filter (where stays) || ' of ' || count(*)
    || ' splits the price stayed rather than moved, such as '
    || arg_min(asset_id::varchar || ' ' || ex_date, ex_date) filter (where stays)
        as sample
from splits
having avg(stays::integer) >= $least_share
