-- grain:  one row per action that changes shares, prices or names
-- reads:  main.actions
-- params: :new_asset_id
-- What happened to assets, as the catalog has it now.
select
    asset_id,
    ex_date,
    kind,
    :new_asset_id as new_asset_id
from main.actions
