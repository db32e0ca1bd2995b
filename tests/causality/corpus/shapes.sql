-- local
from prices;

-- local
select * from prices;

-- local
select p.* from prices as p;

-- local
select * exclude (volume) from prices;

-- local
select * replace (close * 2 as close) from prices;

-- local
select * rename (close as price) from prices;

-- local
select columns('timestamp|asset_id|close') from prices;

-- local
select timestamp, asset_id, coalesce(columns(['open', 'close']), 0) from prices;

-- local
with c (timestamp, a, b) as (select timestamp, asset_id, close from prices) select timestamp, a, b from c;

-- local
with c as (from prices), d as (select * from c where close > 2) select timestamp, asset_id, close from d;

-- local
select timestamp as "timestamp", "asset_id", "close" as "My Close" from "prices";

-- local
SELECT Timestamp, ASSET_ID, Close FROM Prices;

-- local
select t.timestamp, t.x from (select timestamp, close as x from prices) as t (timestamp, x);

-- local
select timestamp, {'a': close, 'b': open} as m from prices;

-- local
select timestamp, struct_pack(a := close).a as m from prices;

-- local
select timestamp, map([asset_id], [close])[asset_id] as m from prices;

-- local
select timestamp, close::varchar || asset_id as m from prices;

-- local
select timestamp, case when close > open then 'up' when close is null then null else 'down' end as m from prices;

-- local
select timestamp, try_cast(asset_id as integer) as m from prices;

-- local
select timestamp, close as x, x * 2 as y from prices where y > 3;

-- local
select timestamp, if(close > 3, 1, 0) as m, ifnull(close, 0) as n, nullif(close, 2) as o, greatest(close, open) as g from prices;

-- local
select timestamp, round(ln(abs(close) + 1), 2) as m from prices;

-- local
select timestamp, asset_id, close from prices where close between 1 and 9 and asset_id like 'A%' or volume in (1, 2);

-- local
pivot prices on asset_id in ('A', 'B') using first(close order by close) group by timestamp;

-- local
select * from (select timestamp, asset_id, close from prices) pivot (max(close) for asset_id in ('A', 'B'));

-- local
unpivot (select timestamp, asset_id, open, close from prices) on open, close;

-- local
select timestamp, asset_id, close from prices order by close desc, asset_id, timestamp;

-- local
select p.timestamp, p.asset_id, 1 as one, 'x' as x, true as t, null as n, [1, 2] as l from prices as p;

-- local
select timestamp, asset_id, close from (select *, row_number() over (partition by timestamp, asset_id order by close) as k from prices) where k = 1;

-- causal
from (select *, lag(close) over (partition by asset_id order by timestamp) as m from prices) select timestamp, m where m is not null;

-- causal
with recent as (select *, row_number() over (partition by asset_id order by timestamp) as k from prices) select a.timestamp, a.asset_id, a.close - b.close as m from recent as a join recent as b on a.asset_id = b.asset_id and b.timestamp < a.timestamp and a.k = b.k + 2;

-- unproved
with recent as (select *, row_number() over (partition by asset_id order by timestamp) as k from prices) select a.timestamp, a.asset_id, a.close - b.close as m from recent as a join recent as b on a.asset_id = b.asset_id and a.k = b.k + 2;

-- leaks
select * from (select asset_id, close, max(timestamp) over () as timestamp from prices);
