-- causal
select timestamp, asset_id, close from prices order by timestamp, asset_id limit 10;

-- causal
select timestamp, asset_id, close from prices order by timestamp, asset_id limit 10 offset 3;

-- causal
select timestamp, asset_id, close from prices order by timestamp, asset_id offset 5;

-- causal
select timestamp, asset_id from (select timestamp, asset_id, close from prices order by timestamp, asset_id limit 12) where close > 1;

-- leaks
select timestamp, asset_id, close from prices limit 5;

-- leaks
select timestamp, asset_id, close from prices order by timestamp desc, asset_id limit 10;

-- leaks
select timestamp, asset_id, close from prices order by close, timestamp, asset_id limit 10;

-- leaks
select timestamp, asset_id, close from prices order by asset_id, timestamp limit 10;

-- leaks
select timestamp, asset_id, close from prices order by timestamp desc, asset_id offset 4;

-- leaks
select timestamp, asset_id, close from prices order by timestamp, asset_id limit (select count(*) // 2 from prices);

-- unproved
select timestamp, asset_id, close from prices order by timestamp, asset_id limit 50 %;

-- unproved
select timestamp, asset_id, close from prices order by timestamp, asset_id limit (select count(*) from assets);

-- unproved
select timestamp, asset_id, close from prices using sample 50 percent (bernoulli);

-- unproved
select timestamp, asset_id, close from prices tablesample reservoir(10);

-- unproved
with recursive r (timestamp, m) as (select timestamp, 1 from prices union all select timestamp, m + 1 from r where m < 3) select timestamp, m from r;

-- local; m: unproved
select timestamp, asset_id, random() as m from prices;

-- local; m: unproved
select timestamp, asset_id, now() as m from prices;

-- local; m: unproved
select timestamp, asset_id, current_date as m from prices;

-- unproved
select timestamp, asset_id, close from prices where timestamp < current_timestamp;

-- local; m: unproved
select timestamp, asset_id, uuid() as m from prices;

-- local; m: unproved
select timestamp, asset_id, rowid as m from prices;

-- local; m: unproved
select timestamp, approx_quantile(close, 0.5) as m from prices group by timestamp;

-- unproved
select timestamp, asset_id, getvariable('x') as m from prices;

-- unproved
select timestamp, asset_id, x.m from prices, (select count(*) as m from duckdb_tables()) as x;

-- local; m: unproved
select timestamp, asset_id, age(timestamp) as m from prices;

-- local; m: unproved
select timestamp, reservoir_quantile(close, 0.5) as m from prices group by timestamp;
