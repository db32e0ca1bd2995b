-- grain:  one row
-- reads:  :source
-- params: none
-- How many values are no objects: a list of lists or a bare number has no names.
select count(*) as n_others
from :source
where json_type(json) <> 'OBJECT'
