-- local
select timestamp, close as m from prices union all select timestamp, score from features;

-- local
select timestamp, close as m from prices union select timestamp, score from features;

-- local
(select timestamp, asset_id, close as m from prices) union by name (select asset_id, timestamp, score as s from features);

-- local
(select timestamp, asset_id, close as m from prices) union all by name (select asset_id, timestamp, score as m from features);

-- local
select timestamp, asset_id from prices except select timestamp, asset_id from features;

-- local
select timestamp, asset_id from prices intersect select timestamp, asset_id from features;

-- local
select timestamp, asset_id from prices except all select timestamp, asset_id from features;

-- local
select timestamp, asset_id from prices intersect all select timestamp, asset_id from features;

-- causal
select timestamp, close as m from prices union all select timestamp + interval '1 day', close from prices;

-- local; m: causal
select timestamp, lag(close) over (partition by asset_id order by timestamp) as m from prices union all select timestamp, vix from vix;

-- clock: available_at; local
(select timestamp, available_at, eps as m from reports) union all (select timestamp, timestamp, close from prices);

-- local; m: causal
select timestamp, sum(m) over (order by timestamp) as m from (select timestamp, close as m from prices union all select timestamp, vix from vix);

-- leaks
select timestamp, close as m from prices union all select timestamp - interval '1 day', vix from vix;

-- local; m: leaks
select timestamp, close as m from prices union all select timestamp, max(vix) over () from vix;

-- leaks
select timestamp, close as m from prices union all select timestamp, eps from reports;

-- leaks
select timestamp from (select timestamp, asset_id from prices) where asset_id in (select asset_id from prices except select asset_id from features);

-- leaks
select * from (select asset_id from prices except select asset_id from features) cross join (select timestamp from vix);

-- clock: timestamp; leaks
(select timestamp, available_at, eps as m from reports) union all (select timestamp, timestamp, close from prices);

-- leaks
select timestamp, asset_id from prices where (asset_id, close) in (select asset_id, close from prices intersect select asset_id, score from features);

-- unproved
select timestamp, close as m from prices union all select null, vix from vix;

-- local
select timestamp, m from (select timestamp, close as m from prices union all select timestamp '2024-02-20', 1.0) where m > 0.5 and timestamp > '2024-02-21';

-- local
select t as timestamp, n as m from (values (timestamp '2024-03-01', 1), (timestamp '2024-03-05', 2)) as v (t, n);
