-- local; m: causal
select timestamp, asset_id, (select max(vix) from vix as v where v.timestamp <= p.timestamp) as m from prices as p;

-- local; m: causal
select timestamp, asset_id, (select count(*) from prices as q where q.asset_id = p.asset_id and q.timestamp < p.timestamp) as m from prices as p;

-- local; m: causal
select timestamp, asset_id, (select vix from vix as v where v.timestamp <= p.timestamp order by v.timestamp desc limit 1) as m from prices as p;

-- local; m: causal
select timestamp, asset_id, (select eps from reports as r where r.asset_id = p.asset_id and r.available_at <= p.timestamp order by r.available_at desc, r.timestamp desc, eps limit 1) as m from prices as p;

-- causal
select p.timestamp, asset_id, v.vix as m from prices as p, lateral (select vix from vix as v where v.timestamp < p.timestamp order by v.timestamp desc limit 1) as v;

-- local; m: causal
select p.timestamp, asset_id, v.m from prices as p left join lateral (select avg(vix) as m from vix as v where v.timestamp < p.timestamp) as v on true;

-- causal
select timestamp, asset_id, close from prices as p where exists (select 1 from vix as v where v.timestamp < p.timestamp and v.vix > p.close);

-- causal
select timestamp, asset_id, close from prices as p where not exists (select 1 from prices as q where q.asset_id = p.asset_id and q.timestamp < p.timestamp and q.close > 5);

-- local; m: causal
select timestamp, asset_id, close in (select vix from vix as v where v.timestamp <= p.timestamp) as m from prices as p;

-- local; m: causal
select timestamp, asset_id, close not in (select vix from vix as v where v.timestamp <= p.timestamp) as m from prices as p;

-- local; m: causal
select timestamp, asset_id, close >= all (select vix from vix as v where v.timestamp <= p.timestamp) as m from prices as p;

-- local; m: causal
select timestamp, asset_id, close > any (select eps from reports as r where r.available_at < p.timestamp) as m from prices as p;

-- local; m: causal
select timestamp, asset_id, array(select vix from vix as v where v.timestamp <= p.timestamp order by v.timestamp) as m from prices as p;

-- local; m: causal
select timestamp, asset_id, (select sum(w) from (select lag(vix) over (order by timestamp) as w, timestamp as t from vix) where t <= p.timestamp) as m from prices as p;

-- local
select timestamp, asset_id, (select avg(close) from prices as q where q.timestamp = p.timestamp) as m from prices as p;

-- local
select timestamp, asset_id, (select count(*) from features as f where f.timestamp = p.timestamp and f.score > p.close) as m from prices as p;

-- local
select timestamp, asset_id, close from prices as p where exists (select 1 from features as f where f.timestamp = p.timestamp);

-- local
select timestamp, asset_id, timestamp in (select timestamp from vix) as m from prices;

-- local
select timestamp, asset_id, (timestamp, close) in (select timestamp, vix from vix) as m from prices;

-- local; m: unproved
select timestamp, asset_id, (timestamp, close) not in (select (timestamp, vix) from vix) as m from prices;

-- local
select timestamp, asset_id, (select sector from assets as a where a.asset_id = p.asset_id) as m from prices as p;

-- local
select timestamp, asset_id, (select count(*) from assets) as m from prices;

-- local
select timestamp, asset_id, (select close + 1) as m from prices;

-- local
select timestamp, asset_id, x.m from prices, lateral (select close * 2 as m) as x;

-- local
select timestamp, asset_id, asset_id in ('A', 'B') as m from prices;

-- local
select timestamp, asset_id, close from prices where asset_id in (select asset_id from assets where sector = 'tech');

-- local; m: leaks
select timestamp, asset_id, close not in (select vix from vix) as m from prices;

-- local; m: leaks
select timestamp, asset_id, close in (select close from prices as q where q.asset_id <> p.asset_id) as m from prices as p;

-- local; m: leaks
select timestamp, asset_id, (select max(vix) from vix as v where v.timestamp >= p.timestamp) as m from prices as p;

-- local; m: leaks
select timestamp, asset_id, (select vix from vix as v where v.timestamp > p.timestamp order by v.timestamp limit 1) as m from prices as p;

-- local; m: leaks
select timestamp, asset_id, (select max(close) from prices as q where q.asset_id = p.asset_id) as m from prices as p;

-- leaks
select timestamp, asset_id, close from prices where timestamp = (select max(timestamp) from prices);

-- leaks
select timestamp, asset_id, close from prices as p where exists (select 1 from prices as q where q.asset_id = p.asset_id and q.close > p.close + 9);

-- leaks
select timestamp, asset_id, close from prices as p where not exists (select 1 from prices as q where q.asset_id = p.asset_id and q.timestamp > p.timestamp);

-- local; m: leaks
select timestamp, asset_id, (select avg(w) from (select avg(vix) over () as w, timestamp as t from vix) where t <= p.timestamp) as m from prices as p;

-- leaks
select p.timestamp, asset_id, v.vix as m from prices as p, lateral (select vix from vix as v order by abs(epoch(v.timestamp - p.timestamp)), v.timestamp limit 1) as v;

-- local; m: leaks
select timestamp, asset_id, (select eps from reports as r where r.asset_id = p.asset_id and r.timestamp <= p.timestamp order by r.timestamp desc, r.available_at desc, eps limit 1) as m from prices as p;
