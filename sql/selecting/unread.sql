-- grain:  one row
-- reads:  nothing
-- params: none
-- Stands in for a relation that a query does not name.
select true as is_unread
