-- grain:  one row, where fills are as large as the volume of their own bar allowed
-- reads:  fills
-- params: :participation
-- Whole shares and lots may leave a little of it. At an open nobody knows what will trade.
select
    'participation' as column_name,
    count(*) as n_rows,
    :participation as value,
    count(*) || ' fills are cut to ' || round(100 * :participation, 2)
    || '% of what traded by the end of their bar, the first at '
    || min(timestamp) as sample
from fills
where
    volume > 0
    and (
        abs(quantity) >= 0.99 * :participation * volume
        or :participation * volume - abs(quantity) < 1
    )
having count(*) > 0
