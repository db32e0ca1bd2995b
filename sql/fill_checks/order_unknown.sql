-- grain:  one row per offending fill
-- reads:  :rows
-- params: none
-- Nobody asked for such a fill: there is no order of its number, or it is of another asset, and no
-- rename says that both are one.
select
    timestamp,
    asset_id,
    'fill ' || fill_id || ' of order ' || order_id
    || coalesce(
        ', which is of ' || order_asset_id::varchar, ', which there is not'
    ) as what
from :rows
where
    not has_order
    or (asset_id is distinct from order_asset_id and not is_renamed)
