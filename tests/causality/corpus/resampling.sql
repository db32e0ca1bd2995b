-- causal
select date_trunc('week', timestamp) + interval '7 days' as timestamp, asset_id, last(close order by timestamp) as m from prices group by all;

-- causal
select date_trunc('month', timestamp) + interval '1 month' as timestamp, asset_id, sum(volume) as m from prices group by all;

-- causal
select date_trunc('quarter', timestamp) + interval '3 months' as timestamp, asset_id, sum(volume) as m from prices group by all;

-- causal
select date_trunc('day', timestamp) + interval '1 day' as timestamp, asset_id, max(close) as m from prices group by all;

-- causal
select date_trunc('hour', timestamp) + interval '1 hour' as timestamp, asset_id, max(close) as m from prices group by all;

-- causal
select time_bucket(interval '7 days', timestamp) + interval '7 days' as timestamp, asset_id, max(close) as m from prices group by all;

-- causal
select time_bucket(interval '1 month', timestamp) + interval '1 month' as timestamp, asset_id, max(close) as m from prices group by all;

-- causal
select date_trunc('week', timestamp)::date + 7 as timestamp, asset_id, avg(close) as m from prices group by all;

-- causal
select timestamp::date + 1 as timestamp, asset_id, avg(close) as m from prices group by all;

-- causal
select (timestamp::date + interval '1 day') as timestamp, asset_id, avg(close) as m from prices group by all;

-- causal
select last_day(timestamp) + interval '1 day' as timestamp, asset_id, avg(close) as m from prices group by all;

-- causal
select date_trunc('week', timestamp) + interval '1 week' as timestamp, asset_id, first(open order by timestamp) as o, max(close) as h, min(close) as l, last(close order by timestamp) as c from prices group by all;

-- causal
select p.timestamp, p.asset_id, w.m from prices as p asof join (select date_trunc('week', timestamp) + interval '7 days' as t, asset_id, avg(close) as m from prices group by all) as w on p.asset_id = w.asset_id and p.timestamp >= w.t;

-- causal
select timestamp + interval '2 days' as timestamp, asset_id, close from prices;

-- causal
select timestamp + to_days(2) as timestamp, asset_id, close from prices;

-- causal
select timestamp + interval 2 day as timestamp, asset_id, close from prices;

-- causal
select date_add(timestamp, interval '1 month') as timestamp, asset_id, close from prices;

-- causal
select s.t as timestamp, sum(close) as m from generate_series(timestamp '2024-02-19', timestamp '2024-03-20', interval '1 day') as s (t) left join prices as p on p.timestamp <= s.t group by all;

-- local; m: causal
select s.t as timestamp, v.vix as m from range(timestamp '2024-02-19', timestamp '2024-03-20', interval '12 hours') as s (t) asof left join vix as v on s.t >= v.timestamp;

-- leaks
select date_trunc('week', timestamp) as timestamp, asset_id, last(close order by timestamp) as m from prices group by all;

-- leaks
select date_trunc('month', timestamp) as timestamp, asset_id, sum(volume) as m from prices group by all;

-- leaks
select time_bucket(interval '7 days', timestamp) as timestamp, asset_id, max(close) as m from prices group by all;

-- leaks
select timestamp::date as timestamp, asset_id, max(close) as m from prices group by all;

-- leaks
select date_trunc('week', timestamp) + interval '3 days' as timestamp, asset_id, last(close order by timestamp) as m from prices group by all;

-- leaks
select date_trunc('month', timestamp) + interval '10 days' as timestamp, asset_id, last(close order by timestamp) as m from prices group by all;

-- leaks
select p.timestamp, p.asset_id, w.m from prices as p join (select date_trunc('week', timestamp) as t, asset_id, avg(close) as m from prices group by all) as w on p.asset_id = w.asset_id and w.t = date_trunc('week', p.timestamp);

-- leaks
select timestamp - interval '1 day' as timestamp, asset_id, close from prices;

-- leaks
select timestamp + interval '-1 day' as timestamp, asset_id, close from prices;

-- leaks
select timestamp - interval 1 month as timestamp, asset_id, close from prices;

-- leaks
select timestamp - to_days(1) as timestamp, asset_id, close from prices;

-- unproved
select date_trunc('day', timestamp) as timestamp, asset_id, close from prices;

-- unproved
select timestamp::date as timestamp, asset_id, close from prices;

-- unproved
select time_bucket(interval '7 days', timestamp) as timestamp, asset_id, close from prices;

-- unproved
select last_day(timestamp) as timestamp, asset_id, close from prices;

-- unproved
select timestamp + interval '1 month' - interval '30 days' as timestamp, asset_id, close from prices;

-- unproved
select timestamp + interval '1 month -1 day' as timestamp, asset_id, close from prices;

-- unproved
select strptime(strftime(timestamp, '%Y-%m-%d'), '%Y-%m-%d') + interval '1 day' as timestamp, asset_id, close from prices;

-- unproved
select make_timestamp(year(timestamp), month(timestamp) + 1, 1, 0, 0, 0.0) as timestamp, asset_id, close from prices where month(timestamp) < 12;

-- unproved
select timestamp + volume * interval '1 day' as timestamp, asset_id, close from prices;

-- local
select timestamp, asset_id, dayofweek(timestamp) as d, extract(hour from timestamp) as h, timestamp::time as t, strftime(timestamp, '%A') as n from prices;

-- local
select timestamp, asset_id, datediff('day', timestamp::date, last_day(timestamp)) as m from prices;

-- local
select timestamp, asset_id, close from prices where month(timestamp) = 3 and dayofweek(timestamp) between 1 and 4;

-- local
select timestamp, asset_id, age(timestamp, timestamp '2024-01-01') as m from prices;

-- local
select timestamp, asset_id, date_part('week', timestamp) % 2 = 0 as m from prices;

-- local; m: leaks
select timestamp, asset_id, timestamp = max(timestamp) over (partition by date_trunc('week', timestamp)) as m from prices;

-- local; m: causal
select timestamp, asset_id, timestamp = min(timestamp) over (partition by date_trunc('week', timestamp)) as m from prices;

-- causal
with d as (select timestamp::date as day, asset_id, max(close) as hi, arg_max(close, timestamp) as c from prices group by all) select p.timestamp, p.asset_id, d.hi as m from prices as p join d on d.asset_id = p.asset_id and d.day = p.timestamp::date - 1;

-- local; m: causal
with d as (select timestamp::date as day, asset_id, max(close) as hi, arg_max(close, timestamp) as c from prices group by all) select p.timestamp, p.asset_id, d.hi as m from prices as p asof left join d on d.asset_id = p.asset_id and p.timestamp::date > d.day;

-- causal
with d as (select timestamp::date as day, asset_id, max(close) as hi, arg_max(close, timestamp) as c from prices group by all) select p.timestamp, p.asset_id, d.hi as m from prices as p left join lateral (select hi from d where d.asset_id = p.asset_id and d.day < p.timestamp::date order by day desc limit 1) as d on true;

-- leaks
with d as (select timestamp::date as day, asset_id, max(close) as hi, arg_max(close, timestamp) as c from prices group by all) select p.timestamp, p.asset_id, d.hi as m from prices as p join d on d.asset_id = p.asset_id and d.day = p.timestamp::date;

-- local; m: leaks
with d as (select timestamp::date as day, asset_id, max(close) as hi, arg_max(close, timestamp) as c from prices group by all) select p.timestamp, p.asset_id, d.hi as m from prices as p asof left join d on d.asset_id = p.asset_id and p.timestamp::date >= d.day;

-- local; m: leaks
with d as (select timestamp::date as day, asset_id, max(close) as hi, arg_max(close, timestamp) as c from prices group by all) select p.timestamp, p.asset_id, d.hi as m from prices as p asof left join d on d.asset_id = p.asset_id and p.timestamp > d.day;

-- causal
with d as (select timestamp::date as day, asset_id, max(close) as hi, arg_max(close, timestamp) as c from prices group by all) select day + 1 as timestamp, asset_id, hi - lag(hi) over (partition by asset_id order by day) as m from d;

-- causal
with d as (select timestamp::date as day, asset_id, max(close) as hi, arg_max(close, timestamp) as c from prices group by all) select day + interval '1 day' as timestamp, asset_id, avg(c) over (partition by asset_id order by day rows 4 preceding) as m from d;

-- causal; m: leaks
with d as (select timestamp::date as day, asset_id, max(close) as hi, arg_max(close, timestamp) as c from prices group by all) select day + 1 as timestamp, asset_id, hi - lead(hi) over (partition by asset_id order by day) as m from d;

-- leaks
with d as (select timestamp::date as day, asset_id, max(close) as hi, arg_max(close, timestamp) as c from prices group by all) select day + interval '1 hour' as timestamp, asset_id, hi as m from d;

-- local; m: causal
with w as (select date_trunc('week', timestamp) as wk, asset_id, max(close) as hi from prices group by all) select p.timestamp, p.asset_id, w.hi as m from prices as p left join w on w.asset_id = p.asset_id and w.wk = date_trunc('week', p.timestamp) - interval '7 days';

-- local; m: causal
with w as (select date_trunc('week', timestamp) as wk, asset_id, max(close) as hi from prices group by all) select p.timestamp, p.asset_id, w.hi as m from prices as p asof left join w on w.asset_id = p.asset_id and p.timestamp >= w.wk + interval '7 days';

-- local; m: leaks
with w as (select date_trunc('week', timestamp) as wk, asset_id, max(close) as hi from prices group by all) select p.timestamp, p.asset_id, w.hi as m from prices as p asof left join w on w.asset_id = p.asset_id and p.timestamp >= w.wk + interval '5 days';

-- local; m: causal
with b as (select date_trunc('month', timestamp) as mo, asset_id, arg_max(close, timestamp) as c from prices group by all) select p.timestamp, p.asset_id, b.c as m from prices as p left join b on b.asset_id = p.asset_id and b.mo = date_trunc('month', p.timestamp) - interval '1 month';

-- local; m: leaks
with b as (select date_trunc('month', timestamp) as mo, asset_id, arg_max(close, timestamp) as c from prices group by all) select p.timestamp, p.asset_id, b.c as m from prices as p left join b on b.asset_id = p.asset_id and b.mo = date_trunc('month', p.timestamp);

-- local; m: causal
with b as (select date_trunc('month', timestamp) as mo, asset_id, arg_max(close, timestamp) as c from prices group by all), x as (select mo + interval '1 month' as timestamp, asset_id, c / lag(c, 2) over (partition by asset_id order by mo) - 1 as r from b) select p.timestamp, p.asset_id, x.r as m from prices as p asof left join x using (asset_id, timestamp);

-- unproved
select p.timestamp, p.asset_id, y.c as m from prices as p join (select year(timestamp) as y, asset_id, arg_max(close, timestamp) as c from prices group by all) as y on y.asset_id = p.asset_id and y.y = year(p.timestamp) - 1;

-- causal
select timestamp, asset_id, close from prices where timestamp in (select min(timestamp) from prices group by date_trunc('month', timestamp));

-- leaks
select timestamp, asset_id, close from prices where timestamp in (select max(timestamp) from prices group by date_trunc('month', timestamp));

-- causal
select min(timestamp) as timestamp, asset_id from prices group by asset_id;

-- unproved
select max(timestamp) as timestamp, asset_id, arg_max(close, timestamp) as m from prices group by asset_id, yearweek(timestamp);
