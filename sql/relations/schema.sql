-- grain:  a schema
-- reads:  nothing
-- params: :schema
-- Where relations stand that are not the user's: raw what is given, stage what is made of it.
create schema :schema
