-- grain:  one row
-- reads:  :source
-- params: :cells
-- What rows hold, in whatever order they stand: the SHA-256 of the sorted ones of the rows, each
-- of the texts of its cells with their lengths, so that no two rows are the same text.
with

hashed as (
    select sha256(concat(:cells)) as digest
    from :source
)

select
    count(*) as n_rows,
    sha256(coalesce(string_agg(digest, '' order by digest asc), '')) as digest
from hashed
