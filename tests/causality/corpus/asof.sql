-- causal
select p.timestamp, p.asset_id, v.vix as m from prices as p asof join vix as v on p.timestamp >= v.timestamp;

-- causal
select p.timestamp, p.asset_id, v.vix as m from prices as p asof join vix as v on p.timestamp > v.timestamp;

-- local; m: causal
select p.timestamp, p.asset_id, v.vix as m from prices as p asof left join vix as v on p.timestamp >= v.timestamp;

-- local; m: causal
select p.timestamp, p.asset_id, v.vix as m from prices as p asof left join vix as v using (timestamp);

-- causal
select p.timestamp, p.asset_id, f.score as m from prices as p asof join features as f on p.asset_id = f.asset_id and p.timestamp >= f.timestamp;

-- local; m: causal
select p.timestamp, p.asset_id, r.eps as m from prices as p asof left join reports as r on p.asset_id = r.asset_id and p.timestamp >= r.available_at;

-- causal
select p.timestamp, p.asset_id, p.timestamp - v.timestamp as m from prices as p asof join vix as v on p.timestamp >= v.timestamp;

-- causal
select p.timestamp, p.asset_id, v.vix as m from prices as p asof join vix as v on p.timestamp - interval '1 day' >= v.timestamp;

-- causal
select p.timestamp, p.asset_id, v.vix as m from prices as p asof join vix as v on p.timestamp >= v.timestamp + interval '2 days';

-- causal
select p.timestamp, p.asset_id, v.vix as m from (select * from prices where close > 2) as p asof join (select * from vix where vix > 0) as v on v.timestamp <= p.timestamp;

-- causal
select p.timestamp, p.asset_id, v.m from prices as p asof join (select timestamp, avg(vix) over (order by timestamp rows 3 preceding) as m from vix) as v on p.timestamp >= v.timestamp;

-- causal
select p.timestamp, p.asset_id, x.flow as m from prices as p asof join (select timestamp + interval '1 day' as known_at, asset_id, flow from flows) as x on p.asset_id = x.asset_id and p.timestamp >= x.known_at;

-- leaks
select p.timestamp, p.asset_id, v.vix as m from prices as p asof join vix as v on p.timestamp <= v.timestamp;

-- local; m: leaks
select p.timestamp, p.asset_id, v.vix as m from prices as p asof left join vix as v on p.timestamp < v.timestamp;

-- leaks
select p.timestamp, p.asset_id, r.eps as m from prices as p asof join reports as r on p.asset_id = r.asset_id and p.timestamp >= r.timestamp;

-- leaks
select p.timestamp, p.asset_id, v.vix as m from prices as p asof join vix as v on p.timestamp + interval '1 day' >= v.timestamp;

-- leaks
select p.timestamp, p.asset_id, v.vix as m from prices as p asof join vix as v on p.timestamp >= v.timestamp - interval '3 days';

-- leaks
select p.timestamp, p.asset_id, x.flow as m from prices as p asof join flows as x on p.asset_id = x.asset_id and p.timestamp >= x.timestamp;

-- causal; m: leaks
select p.timestamp, p.asset_id, v.m from prices as p asof join (select timestamp, avg(vix) over () as m from vix) as v on p.timestamp >= v.timestamp;
