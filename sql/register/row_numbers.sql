-- grain:  one row
-- reads:  :source
-- params: none
-- Whether the column without a name counts the rows, from 0 or, in several files, again and again.
-- Its text is asked for too: DuckDB 2.0.1 reads a column of CSV that is only ever cast as of that
-- type, and fails where try_cast would say NULL.
select
    count(*) as n_rows,
    count(*) > 0
    and count(*) = count(column0)
    and count(*) = count(try_cast(column0 as bigint))
    and min(try_cast(column0 as bigint)) = 0 as are_numbers
from :source
