-- grain:  as :query
-- reads:  :query
-- params: :table
-- A table of a run in the file that it is saved to.
create table :table as
:query
