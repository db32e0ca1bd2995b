-- clock: available_at; local
select timestamp, asset_id, available_at, eps from reports;

-- clock: available_at; local
select timestamp, asset_id, available_at, avg(eps) over (partition by available_at) as m from reports;

-- clock: available_at; local; m: causal
select timestamp, asset_id, available_at, avg(eps) over (partition by asset_id order by available_at) as m from reports;

-- clock: available_at; local; m: causal
select timestamp, asset_id, available_at, lag(eps) over (partition by asset_id order by available_at, timestamp, eps) as m from reports;

-- clock: available_at; local; m: leaks
select timestamp, asset_id, available_at, avg(eps) over (partition by asset_id order by timestamp) as m from reports;

-- clock: available_at; local; m: leaks
select timestamp, asset_id, available_at, avg(eps) over (partition by asset_id, timestamp) as m from reports;

-- clock: timestamp; leaks
select timestamp, asset_id, eps from reports;

-- clock: greatest(timestamp,available_at); causal
select timestamp, asset_id, available_at, eps from reports;

-- clock: available_at+interval '1 day'; causal
select available_at, asset_id, eps from reports;

-- clock: available_at-interval '1 day'; leaks
select available_at, asset_id, eps from reports;

-- causal
select available_at + interval '1 day' as timestamp, asset_id, eps as m from reports;

-- causal
select timestamp, asset_id, eps as m from reports where timestamp >= available_at;

-- causal
select p.timestamp, p.asset_id, r.eps as m from prices as p join reports as r on r.asset_id = p.asset_id and r.available_at <= p.timestamp;

-- leaks
select p.timestamp, p.asset_id, r.eps as m from prices as p join reports as r on r.asset_id = p.asset_id and r.timestamp <= p.timestamp;

-- causal
select p.timestamp, p.asset_id, max(r.eps) as m from prices as p left join reports as r on r.asset_id = p.asset_id and r.available_at <= p.timestamp group by all;

-- leaks
select p.timestamp, p.asset_id, r.eps as m from prices as p left join reports as r on r.asset_id = p.asset_id and r.timestamp = p.timestamp;

-- clock: timestamp+interval '1 day'; local
select timestamp, asset_id, flow from flows;

-- clock: timestamp; leaks
select timestamp, asset_id, flow from flows;

-- clock: timestamp+interval '2 days'; causal
select timestamp, asset_id, flow from flows;

-- local
select timestamp + interval '1 day' as timestamp, asset_id, flow from flows;

-- causal
select p.timestamp, p.asset_id, f.flow as m from prices as p join flows as f on f.asset_id = p.asset_id and f.timestamp + interval '1 day' <= p.timestamp;

-- causal
select p.timestamp, p.asset_id, f.flow as m from prices as p join flows as f on f.asset_id = p.asset_id and f.timestamp <= p.timestamp - interval '1 day';

-- leaks
select p.timestamp, p.asset_id, f.flow as m from prices as p join flows as f on f.asset_id = p.asset_id and f.timestamp <= p.timestamp;

-- leaks
select p.timestamp, p.asset_id, f.flow as m from prices as p join flows as f using (timestamp, asset_id);

-- clock: day; local
select day, asset_id, ret from daily;

-- clock: day::timestamp; local
select day, asset_id, ret from daily;

-- causal
select p.timestamp, p.asset_id, d.ret as m from prices as p join daily as d on d.asset_id = p.asset_id and d.day = p.timestamp::date;

-- causal
select p.timestamp, p.asset_id, d.ret as m from prices as p join daily as d on d.asset_id = p.asset_id and d.day < p.timestamp::date;

-- leaks
select p.timestamp, p.asset_id, d.ret as m from prices as p join daily as d on d.asset_id = p.asset_id and d.day >= p.timestamp::date;

-- clock: stamp; local
select stamp, asset_id, px from zoned;

-- clock: stamp::timestamp; local
select stamp, asset_id, px from zoned;

-- clock: stamp; local; m: causal
select stamp, asset_id, avg(px) over (partition by asset_id order by stamp rows 3 preceding) as m from zoned;

-- causal
select p.timestamp, p.asset_id, z.px as m from prices as p asof join zoned as z on p.asset_id = z.asset_id and p.timestamp >= z.stamp::timestamp;

-- causal
select p.timestamp, p.asset_id, z.px as m from prices as p join zoned as z on p.asset_id = z.asset_id and p.timestamp::timestamptz >= z.stamp;

-- clock: stamp; local; m: leaks
select stamp, asset_id, avg(px) over (partition by asset_id order by stamp desc rows 3 preceding) as m from zoned;

-- unproved
select stamp at time zone 'America/New_York' as timestamp, asset_id, px from zoned;

-- unproved
select timezone('Asia/Tokyo', stamp) as timestamp, asset_id, px from zoned;

-- causal
select date_trunc('day', stamp) + interval '1 day' as timestamp, asset_id, max(px) as m from zoned group by all;

-- unproved
select timestamp, asset_id, y as m from outside;

-- unproved
select timestamp, asset_id, close * y as m from prices join outside using (timestamp, asset_id);

-- unproved
select timestamp, asset_id, close from prices semi join outside using (timestamp, asset_id);

-- clock: ; local
select asset_id, sector from assets;

-- clock: ; local
select distinct sector from assets;

-- clock: ; leaks
select asset_id, avg(close) as m from prices group by asset_id;

-- clock: ; leaks
select distinct asset_id from prices;
