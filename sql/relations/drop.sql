-- grain:  none
-- reads:  nothing
-- params: :kind, :target
-- Takes a view or a table away.
drop :kind :target
