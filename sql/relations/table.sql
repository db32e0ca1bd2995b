-- grain:  as :query
-- reads:  :query
-- params: :target
-- The rows of a query, kept: a query of the user's is run once.
create or replace table :target as
:query
