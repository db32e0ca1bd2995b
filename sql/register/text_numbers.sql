-- grain:  one row
-- reads:  :source
-- params: :counts
-- How many texts of each column are numbers, in one scan without a pattern: most columns are
-- nothing else, and of those no more has to be known.
select :counts
from :source
