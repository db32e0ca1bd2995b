-- local
select timestamp, avg(close) as m from prices group by timestamp;

-- local
select timestamp, avg(close) as m from prices group by all;

-- local
select timestamp, sector, sum(close) as m from prices join assets using (asset_id) group by all;

-- local
select timestamp, count(*) filter (where close > 3) as m from prices group by 1;

-- local
select timestamp, list(close order by asset_id) as m from prices group by timestamp;

-- local
select timestamp, arg_max(asset_id, close) as m from prices group by timestamp;

-- local
select timestamp, string_agg(asset_id, ',' order by asset_id) as m from prices group by timestamp;

-- local
select timestamp, sum(close) as m from prices group by timestamp having count(*) > 1;

-- local
select distinct timestamp, asset_id from prices;

-- local
select distinct timestamp from prices;

-- local
select distinct on (timestamp) timestamp, asset_id, close as m from prices order by timestamp, close desc, asset_id;

-- local
select distinct on (timestamp, asset_id) * from prices order by timestamp, asset_id, close;

-- causal
select distinct on (asset_id) timestamp, asset_id, close as m from prices order by asset_id, timestamp;

-- causal
select distinct on (asset_id) timestamp, asset_id, close as m from prices order by timestamp;

-- leaks
select distinct on (asset_id) timestamp, asset_id, close as m from prices order by asset_id, timestamp desc;

-- leaks
select distinct on (asset_id) timestamp, asset_id, close as m from prices order by asset_id, close desc, timestamp;

-- unproved
select timestamp, sector, sum(close) as m from prices join assets using (asset_id) group by rollup (timestamp, sector);

-- unproved
select timestamp, asset_id, sum(close) as m from prices group by cube (timestamp, asset_id);

-- unproved
select timestamp, asset_id, sum(close) as m from prices group by grouping sets ((timestamp), (asset_id));

-- unproved
select timestamp, asset_id, grouping(asset_id) as g, sum(close) as m from prices group by grouping sets ((timestamp), (timestamp, asset_id));

-- leaks
select p.timestamp, asset_id, close - total as m from prices as p join (select asset_id, avg(close) as total from prices group by asset_id) as t using (asset_id);

-- leaks
select p.timestamp, asset_id, close / (select max(close) from prices) as m from prices as p;

-- leaks
select timestamp, asset_id, close > (select median(close) from prices) as m from prices;

-- leaks
select max(timestamp) as timestamp, asset_id, max(close) as m from prices group by asset_id;

-- causal; m: leaks
select min(timestamp) as timestamp, asset_id, avg(close) as m from prices group by asset_id;

-- leaks
select any_value(timestamp) as timestamp, asset_id, max(close) as m from prices group by asset_id, volume;

-- unproved
select max(timestamp) as timestamp, asset_id, last(close order by timestamp) as m from prices group by asset_id, year(timestamp), week(timestamp);

-- leaks
select timestamp, asset_id, m from prices join (select dayofweek(timestamp) as d, avg(close) as m from prices group by d) as t on dayofweek(timestamp) = t.d;

-- unproved
select timestamp, c.m from prices join (select strftime(timestamp, '%Y-%m-%d %H') as d, avg(close) as m from prices group by d) as c on strftime(timestamp, '%Y-%m-%d %H') = c.d;

-- leaks
select timestamp, asset_id, close from prices where asset_id in (select asset_id from prices group by asset_id having count(*) > 9);

-- leaks
select timestamp, asset_id, close from prices where asset_id in (select asset_id from prices order by close desc, asset_id, timestamp limit 3);

-- leaks
select sum(close) as m, max(timestamp) as timestamp from prices;

-- leaks
select histogram(close) as m, max(timestamp) as timestamp from prices;

-- local
select timestamp, count(*) as n, count(distinct grade) as d, mode(grade order by grade) as o from features group by timestamp;

-- local
select timestamp, max(close, 2) as m from prices group by timestamp;

-- local; m: leaks
select timestamp, bitstring_agg(grade) over (partition by timestamp) as m from features;

-- local
select timestamp, bitstring_agg(grade, 0, 9) as m from features group by timestamp;

-- local; m: causal
select timestamp, asset_id, max(m) as m from (select timestamp, asset_id, lag(close) over (partition by asset_id order by timestamp) as m from prices) group by all;
