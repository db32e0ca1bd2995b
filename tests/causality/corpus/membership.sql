-- causal
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and (m.end_at is null or p.timestamp < m.end_at);

-- causal
select p.timestamp, p.asset_id, close from prices as p semi join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and (m.end_at > p.timestamp or m.end_at is null);

-- causal
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and coalesce(m.end_at, timestamp '9999-12-31') > p.timestamp;

-- causal
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and coalesce(m.end_at, 'infinity') >= p.timestamp;

-- causal
select p.timestamp, p.asset_id, close from prices as p where exists (select 1 from members as m where p.asset_id = m.asset_id and m.start_at <= p.timestamp and (m.end_at is null or m.end_at > p.timestamp));

-- causal
select p.timestamp, p.asset_id, close from prices as p where not exists (select 1 from members as m where p.asset_id = m.asset_id and m.start_at <= p.timestamp and (m.end_at is null or m.end_at > p.timestamp));

-- causal
select p.timestamp, count(*) as m from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and (m.end_at is null or m.end_at > p.timestamp) group by all;

-- causal
select p.timestamp, p.asset_id, p.timestamp - m.start_at as m from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp;

-- causal
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and m.end_at <= p.timestamp;

-- causal
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and coalesce(m.end_at, timestamp '9999-12-31') > p.timestamp - interval '3 days';

-- leaks
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and p.timestamp < m.end_at;

-- leaks
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and p.timestamp between m.start_at and m.end_at;

-- causal; m: unproved
select p.timestamp, p.asset_id, m.end_at as m from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and (m.end_at is null or p.timestamp < m.end_at);

-- causal; m: leaks
select p.timestamp, p.asset_id, m.end_at - p.timestamp as m from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp;

-- causal; m: leaks
select p.timestamp, p.asset_id, m.end_at is null as m from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp;

-- leaks
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id;

-- leaks
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and (m.end_at is null or m.end_at > p.timestamp);

-- leaks
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and (m.end_at is null or m.end_at > p.timestamp + interval '5 days');

-- leaks
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and coalesce(m.end_at, timestamp '2000-01-01') > p.timestamp;

-- unproved
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and (m.end_at is null or m.end_at <= p.timestamp);

-- unproved
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and (m.end_at is null or m.end_at > '2024-03-01');

-- unproved
select p.timestamp, p.asset_id, close from prices as p join members as m on p.asset_id = m.asset_id and m.start_at <= p.timestamp and (m.end_at is null or m.end_at::date > p.timestamp::date);

-- clock: start_at; local
select asset_id, start_at from members;

-- clock: start_at; local; end_at: leaks
select asset_id, start_at, end_at from members;

-- clock: start_at; local; m: leaks
select asset_id, start_at, lead(start_at) over (partition by asset_id order by start_at) as m from members;

-- clock: start_at; local; m: causal
select asset_id, start_at, count(*) over (partition by asset_id order by start_at) as m from members;

-- clock: greatest(start_at,end_at); causal
select asset_id, start_at, end_at from members where end_at is not null;

-- clock: greatest(start_at,end_at); unproved
select asset_id, start_at, end_at from members;

-- clock: greatest(start_at,end_at); causal
select asset_id, start_at, end_at from members where end_at is not null and start_at > '2024-01-01';
