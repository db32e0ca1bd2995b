-- grain:  nothing
-- reads:  nothing
-- params: :variable, :value
-- Sources that are cut at a bar that a variable tells are as they were known then.
set variable :variable = :value
