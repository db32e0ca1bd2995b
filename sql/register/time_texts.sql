-- grain:  one row
-- reads:  :source
-- params: :item
-- What forms the texts of a column have: ISO dates, ISO times without and with an offset. Only the
-- extended form counts: 20240102 may be a number, and 01/02/2024 two days.
with

texts as (
    select cast(:item as varchar) as text
    from :source
    where :item is not null
),

forms as (
    select
        text,
        regexp_full_match(text, '\d{4}-\d{2}-\d{2}')
        and try_cast(text as date) is not null as is_date,
        regexp_full_match(
            text, '\d{4}-\d{2}-\d{2}[T ]([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d{1,6})?)?'
        )
        and try_cast(text as timestamp) is not null as is_time,
        regexp_full_match(
            text,
            '\d{4}-\d{2}-\d{2}[T ]([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d{1,6})?)?'
            || '(Z|[+-]\d{2}:\d{2})'
        )
        and try_cast(text as timestamptz) is not null as is_zoned
    from texts
)

select
    count(*) as n_texts,
    count_if(is_date) as n_dates,
    count_if(is_time) as n_times,
    count_if(is_zoned) as n_zoned,
    min(text) filter (where not (is_date or is_time or is_zoned)) as other,
    min(text) as lowest
from forms
