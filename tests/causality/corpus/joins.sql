-- local
select p.timestamp, p.asset_id, close * score as m from prices as p join features as f on p.timestamp = f.timestamp and p.asset_id = f.asset_id;

-- local
select timestamp, asset_id, close * score as m from prices join features using (timestamp, asset_id);

-- local
select timestamp, asset_id, close * score as m from prices natural join features;

-- local
select p.timestamp, p.asset_id, score as m from prices as p left join features as f on p.timestamp = f.timestamp and p.asset_id = f.asset_id;

-- local
select p.timestamp, p.asset_id, score as m from features as f right join prices as p on p.timestamp = f.timestamp and p.asset_id = f.asset_id;

-- local
select timestamp, asset_id, close, score as m from prices full join features using (timestamp, asset_id);

-- local
select coalesce(p.timestamp, f.timestamp) as timestamp, p.close, f.score as m from prices as p full join features as f on p.timestamp = f.timestamp and p.asset_id = f.asset_id;

-- local
select coalesce(f.timestamp, p.timestamp) as timestamp, p.close, f.score as m from prices as p full outer join features as f on f.timestamp = p.timestamp and f.asset_id = p.asset_id;

-- local
select timestamp, asset_id, close from prices semi join features using (timestamp, asset_id);

-- local
select timestamp, asset_id, close from prices anti join features using (timestamp, asset_id);

-- local
select timestamp, asset_id, sector as m from prices join assets using (asset_id);

-- local
select timestamp, asset_id, sector as m from prices left join assets using (asset_id);

-- local
select timestamp, asset_id, close * vix as m from prices join vix using (timestamp);

-- local
select timestamp, asset_id, close * vix as m from prices left join vix using (timestamp);

-- local
select p.timestamp, p.asset_id, q.close as m from prices as p join prices as q on p.timestamp = q.timestamp and p.asset_id < q.asset_id;

-- causal
select p.timestamp, p.asset_id, avg(q.close) as m from prices as p join prices as q on q.asset_id = p.asset_id and q.timestamp <= p.timestamp group by all;

-- causal
select p.timestamp, p.asset_id, avg(q.close) as m from prices as p join prices as q on q.asset_id = p.asset_id and q.timestamp between p.timestamp - interval '5 days' and p.timestamp group by all;

-- causal
select p.timestamp, p.asset_id, avg(q.close) as m from prices as p left join prices as q on q.asset_id = p.asset_id and q.timestamp < p.timestamp group by all;

-- causal
select p.timestamp, p.asset_id, avg(q.close) as m from prices as p, prices as q where q.asset_id = p.asset_id and not q.timestamp > p.timestamp group by all;

-- causal
select p.timestamp, p.asset_id, q.close as m from prices as p, prices as q where q.asset_id = p.asset_id and p.timestamp = q.timestamp + interval '1 day';

-- causal
select p.timestamp, p.asset_id, q.close as m from prices as p, prices as q where q.asset_id = p.asset_id and q.timestamp = p.timestamp - interval '1 day';

-- causal
select p.timestamp, p.asset_id, q.close as m from prices as p join prices as q on q.timestamp < p.timestamp or (q.timestamp = p.timestamp and q.asset_id < p.asset_id);

-- causal
select q.timestamp, p.asset_id, p.close as m from prices as p join prices as q on p.timestamp <= q.timestamp;

-- causal
select p.timestamp, p.asset_id, close from prices as p semi join vix as v on v.timestamp < p.timestamp;

-- causal
select p.timestamp, p.asset_id, close from prices as p anti join vix as v on v.timestamp < p.timestamp and v.vix > 5;

-- causal
select p.timestamp, p.asset_id, count(*) as m from prices as p cross join prices as q where q.timestamp <= p.timestamp group by all;

-- causal
select p.timestamp, p.asset_id, q.close as m from prices as p join prices as q on p.timestamp > q.timestamp join vix as v on v.timestamp <= q.timestamp;

-- causal
with c as (from prices) select a.timestamp, a.asset_id, avg(b.close) as m from c as a join c as b on b.timestamp <= a.timestamp group by all;

-- causal
with c as materialized (from prices) select a.timestamp, a.asset_id, avg(b.close) as m from c as a join c as b on b.timestamp <= a.timestamp group by all;

-- causal
select greatest(p.timestamp, v.timestamp) as timestamp, p.close * v.vix as m from prices as p join vix as v on true;

-- causal
select greatest(p.timestamp, f.timestamp, v.timestamp) as timestamp, p.close as m from prices as p, features as f, vix as v where p.asset_id = f.asset_id and p.close > f.score;

-- leaks
select p.timestamp, p.asset_id, v.vix as m from prices as p cross join vix as v;

-- leaks
select p.timestamp, p.asset_id, q.close as m from prices as p join prices as q on q.asset_id = p.asset_id and q.timestamp > p.timestamp;

-- leaks
select p.timestamp, p.asset_id, q.close as m from prices as p left join prices as q on q.asset_id = p.asset_id and q.timestamp = p.timestamp + interval '1 day';

-- leaks
select p.timestamp, p.asset_id, avg(q.close) as m from prices as p join prices as q on q.asset_id = p.asset_id group by all;

-- leaks
select p.timestamp, p.asset_id, max(q.close) as m from prices as p join prices as q on q.asset_id = p.asset_id and q.timestamp between p.timestamp and p.timestamp + interval '7 days' group by all;

-- leaks
select p.timestamp, p.asset_id, close from prices as p semi join vix as v on v.timestamp > p.timestamp;

-- leaks
select p.timestamp, p.asset_id, close from prices as p anti join vix as v on v.vix > p.close;

-- leaks
select p.timestamp, p.asset_id, close from prices as p semi join features as f using (asset_id);

-- leaks
select p.timestamp, p.asset_id, q.close as m from prices as p join prices as q on q.asset_id = p.asset_id and q.close > p.close;

-- leaks
with c as (from prices) select a.timestamp, a.asset_id, b.close as m from c as a join c as b using (asset_id);

-- leaks
select p.timestamp, p.asset_id, score as m from prices as p left join features as f on p.asset_id = f.asset_id;

-- unproved
select least(p.timestamp, v.timestamp) as timestamp, v.vix as m from prices as p join vix as v on v.timestamp >= p.timestamp;

-- leaks
select q.timestamp, p.close as m from prices as p join prices as q on p.timestamp >= q.timestamp;

-- leaks
select coalesce(p.timestamp, v.timestamp) as timestamp, p.close as m from prices as p full join vix as v on p.timestamp >= v.timestamp;

-- unproved
select p.timestamp, p.asset_id, v.vix as m from prices as p full join vix as v using (timestamp);

-- unproved
select p.timestamp, p.asset_id, q.close as m from prices as p join prices as q on q.asset_id = p.asset_id and p.timestamp - q.timestamp >= interval '0 days';

-- unproved
select p.timestamp, p.asset_id, q.close as m from prices as p join prices as q on q.asset_id = p.asset_id and datediff('day', q.timestamp, p.timestamp) >= 0;

-- unproved
select p.timestamp, p.asset_id, q.close as m from prices as p join prices as q on q.asset_id = p.asset_id and epoch(q.timestamp) <= epoch(p.timestamp);

-- unproved
select p.timestamp, p.asset_id, vix as m from prices as p positional join vix;
