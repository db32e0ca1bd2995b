-- grain:  one row
-- reads:  :source
-- params: :item, :format
-- How many values of a column there are, and which do not have the format that is given.
select
    count(:item) as n_texts,
    count_if(
        :item is not null and try_strptime(cast(:item as varchar), :format) is null
    ) as n_unread,
    min(cast(:item as varchar)) filter (
        where try_strptime(cast(:item as varchar), :format) is null
    ) as other
from :source
