-- grain:  as :query
-- reads:  :query
-- params: :target
-- A query under a name, read when it is asked for.
create or replace view :target as
:query
