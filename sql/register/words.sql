-- grain:  one row per text of a column that is no number, the most frequent first
-- reads:  :source
-- params: :item
-- What a message offers as the texts that may stand for a missing value.
select
    :item as word,
    count(*) as n_rows
from :source
where try_cast(:item as double) is null and :item is not null
group by word
order by n_rows desc, word asc
limit 4
