-- leaks
select coalesce(p.timestamp, r.timestamp) as timestamp, r.eps as m from prices as p full join reports as r on p.timestamp = r.timestamp and p.timestamp = r.available_at;

-- unproved
select v.timestamp, p.close as m from prices as p left join vix as v on v.timestamp = p.timestamp group by all;

-- unproved
select least(v.timestamp, p.timestamp) as timestamp, p.close as m from prices as p join vix as v on v.timestamp = p.timestamp;

-- unproved
select timestamp::timestamp_s as timestamp, close as m from prices;

-- unproved
select timestamp::timestamp_ms as timestamp, close as m from prices;

-- local
select timestamp::timestamp_ns as timestamp, close as m from prices;

-- local
select timestamp::timestamptz as timestamp, close as m from prices;

-- unproved
select timestamp::varchar::timestamp as timestamp, close as m from prices;

-- unproved
select case when close > 3 then timestamp else timestamp - interval '1 day' end as timestamp, close as m from prices;

-- unproved
select if(close > 3, timestamp, timestamp) as timestamp, close as m from prices;

-- leaks
select a.timestamp, b.close as m from (select * from prices where timestamp <= '2024-03-04') as a join (select * from prices where timestamp >= '2024-03-04') as b using (asset_id);

-- causal
select b.timestamp, a.close as m from (select * from prices where timestamp <= '2024-03-04') as a join (select * from prices where timestamp >= '2024-03-04') as b using (asset_id);

-- unproved
select t as timestamp, sum(close) as m from (select p.close, v.timestamp as t from prices as p left join vix as v on v.timestamp = p.timestamp) group by t;

-- leaks
select a.timestamp, a.close as m from prices as a where a.timestamp <= (select avg(epoch(timestamp)) from prices)::bigint::varchar::double * interval '1 second' + timestamp 'epoch';

-- leaks
select timestamp, asset_id, sum(close) over (partition by close > (select avg(close) from prices) order by timestamp) as m from prices;

-- leaks
select timestamp, asset_id, lag(close) over (partition by asset_id order by timestamp) as m from prices where close > (select avg(close) from prices);

-- leaks
select timestamp, asset_id, lag(close, (select count(*) from vix)::integer) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, max(m) over (partition by timestamp) as m from (select *, lag(close) over (partition by asset_id order by timestamp) as m from prices);

-- leaks
select p.timestamp, count(*) as m from prices as p join vix as v on v.timestamp <> p.timestamp group by all;

-- leaks
select p.timestamp, p.asset_id, v.vix as m from prices as p join vix as v on v.timestamp >= p.timestamp and v.timestamp <= p.timestamp + interval '3 days';

-- local
select p.timestamp, p.asset_id, v.vix as m from prices as p join vix as v on v.timestamp >= p.timestamp and v.timestamp <= p.timestamp;

-- causal
select p.timestamp, p.asset_id, v.vix as m from prices as p join vix as v on (v.timestamp < p.timestamp and v.vix > 2) or v.timestamp = p.timestamp;

-- unproved
select p.timestamp, p.asset_id, v.vix as m from prices as p join vix as v on v.timestamp < p.timestamp or v.vix > 5;

-- causal
select p.timestamp, p.asset_id, v.vix as m from prices as p join vix as v on not (v.timestamp > p.timestamp or v.vix > 5);

-- unproved
select p.timestamp, p.asset_id, v.vix as m from prices as p join vix as v on not (v.timestamp > p.timestamp and v.vix > 5);

-- unproved
select p.timestamp, p.asset_id, v.vix as m from prices as p join vix as v on list_sort([v.timestamp, p.timestamp])[1] = v.timestamp;

-- local; m: causal
select timestamp, asset_id, min(timestamp) over (partition by asset_id order by timestamp rows between unbounded preceding and unbounded following) as m from prices;

-- local; m: leaks
select timestamp, asset_id, min(timestamp) over (partition by asset_id rows between unbounded preceding and unbounded following exclude current row) as m from prices;

-- local; m: leaks
select timestamp, asset_id, min(timestamp + interval '1 day') over (partition by grade order by timestamp rows between 1 following and 2 following) as m from features;

-- local; m: causal
select timestamp, asset_id, sum(close) over (partition by date_trunc('week', timestamp) order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, sum(close) over (partition by strftime(timestamp, '%Y%m') order by timestamp) as m from prices;

-- local; m: unproved
select timestamp, asset_id, sum(close) over (partition by strftime(timestamp, '%Y%m')) as m from prices;

-- local; m: unproved
select timestamp, asset_id, sum(close) over (order by epoch_us(timestamp)) as m from prices;

-- local; m: unproved
select timestamp, asset_id, sum(close) over (order by -epoch_us(timestamp)) as m from prices;

-- local
select a.timestamp, b.m from prices as a join (select timestamp, list_transform([close], lambda v: v + 1)[1] as m from prices) as b using (timestamp);

-- causal
select timestamp, asset_id, close, vix as m from prices left join (select timestamp + interval '1 day' as timestamp, vix from vix) using (timestamp);

-- leaks
select timestamp, asset_id, close, vix as m from prices left join (select timestamp - interval '1 day' as timestamp, vix from vix) using (timestamp);

-- unproved
select timestamp::date + time '10:00' as timestamp, close as m from prices;

-- unproved
select date_trunc('day', timestamp + interval '23 hours') as timestamp, close as m from prices;

-- unproved
select a.timestamp, a.close as m from (select timestamp, close from prices where timestamp <= timestamp '2024-03-01' and timestamp >= timestamp '2024-03-09') as a union all select b.timestamp, c.close from (select * from prices where timestamp >= timestamp '2024-03-01') as b, (select * from prices where timestamp <= timestamp '2024-03-09') as c;

-- local; m: leaks
select timestamp, sum(close) filter (where m > 1) over (partition by timestamp) as m from (select *, lead(close) over (partition by asset_id order by timestamp) as m from prices);

-- local; m: leaks
select timestamp, list_transform([1.0], lambda x: x + m)[1] as m from (select timestamp, lead(close) over (partition by asset_id order by timestamp) as m from prices);

-- local; m: leaks
select timestamp, asset_id, lag(close, 1, m) over (partition by asset_id order by timestamp) as m from (select *, lead(close) over (partition by asset_id order by timestamp) as m from prices);

-- local; m: leaks
select timestamp, sum(close) filter (where m > 5) as m from (select *, lead(close) over (partition by asset_id order by timestamp) as m from prices) group by timestamp;

-- local; m: leaks
select timestamp, asset_id, first_value(asset_id order by m, asset_id) over (partition by timestamp) as m from (select *, lead(close) over (partition by asset_id order by timestamp) as m from prices);

-- local; m: unproved
select timestamp, asset_id, row_number() over () as m from prices;

-- local
select timestamp, close as m from prices as p where p.timestamp = any (select timestamp from vix);

-- unproved
select timestamp, asset_id, date_diff('day', timestamp, current_date) as m from prices;

-- unproved
select timestamp, asset_id, current_date as a, year(current_date) as m from prices;

-- unproved
select timestamp, asset_id, epoch(localtimestamp) as m from prices;

-- local; m: unproved
select timestamp, asset_id, list_transform([close], lambda x: x + random()) as m from prices;
