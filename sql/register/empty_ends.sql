-- grain:  one row
-- reads:  :source, one line of text a row
-- params: $delimiter, $n_columns
-- How many rows have more fields than the header: DuckDB passes over those at their end that are
-- empty, and refuses others. What stands in quotes is no delimiter.
select count(*) as n_rows
from :source
where
    ends_with(line, $delimiter)
    and len(
        string_split(regexp_replace(line, '"[^"]*"', '', 'g'), $delimiter)
    ) > $n_columns
