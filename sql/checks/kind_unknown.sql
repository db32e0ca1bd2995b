-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- An action of another kind would silently be left out.
select *
from :source
where
    kind is null
    or kind not in (
        'dividend', 'return_of_capital', 'cash', 'rights', 'spinoff', 'split', 'rename',
        'merger', 'delisting'
    )
