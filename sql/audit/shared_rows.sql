-- grain:  one row per row of one side whose keys the other has
-- reads:  :rows, :others
-- params: :columns, :same_keys
-- What one side alone has is said by itself, and its columns would all differ.
select :columns
from :rows as mine
where
    exists (
        select 1
        from :others as others
        where :same_keys
    )
