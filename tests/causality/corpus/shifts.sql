-- local; m: causal
select timestamp, asset_id, lag(close) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, close / nullif(lag(close, 5) over (partition by asset_id order by timestamp), 0) - 1 as m from prices;

-- local; m: causal
select timestamp, asset_id, lag(close, 0) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, lag(close, 2, 0.0) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, lag(close, 1, open) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, lag(close ignore nulls) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, lead(close, -3) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, lead(close) over (partition by asset_id order by timestamp desc) as m from prices;

-- local; m: unproved
select timestamp, asset_id, lag(close, 1 + 1) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, vix, vix < lag(vix) over (order by timestamp) as m from vix;

-- local; m: causal
select p.timestamp, p.asset_id, v.calm as m from prices as p join (select timestamp, vix < lag(vix) over (order by timestamp) as calm from vix) as v using (timestamp);

-- local; m: causal
select timestamp, asset_id, lag(close) over w > lag(close, 2) over w as m from prices window w as (partition by asset_id order by timestamp);

-- local; m: leaks
select timestamp, asset_id, lead(close) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: leaks
select timestamp, asset_id, lag(close, -1) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: leaks
select timestamp, asset_id, lead(close, 2, 0) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: leaks
select timestamp, asset_id, lag(close) over (partition by asset_id order by timestamp desc) as m from prices;

-- local; m: unproved
select timestamp, asset_id, lead(close, 0 - 1) over (partition by asset_id order by timestamp desc) as m from prices;

-- local; m: leaks
select timestamp, asset_id, lead(close ignore nulls) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: leaks
select timestamp, asset_id, lag(close) over (partition by asset_id order by close, timestamp) as m from prices;

-- local; m: leaks
select timestamp, asset_id, coalesce(close, lead(close) over (partition by asset_id order by timestamp)) as m from prices;

-- local; m: leaks
select timestamp, asset_id, lead(close, 1, close order by timestamp) over (partition by asset_id order by timestamp rows between unbounded preceding and unbounded following) as m from prices;

-- local; m: causal
select timestamp, asset_id, lag(close, 1, close order by timestamp) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: unproved
select timestamp, asset_id, lag(close, volume) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, sum(close) over (partition by asset_id order by timestamp rows between volume preceding and current row) as m from prices where volume is not null;

-- local; m: unproved
select timestamp, asset_id, lead(close, grade) over (partition by asset_id order by timestamp) as m from prices join features using (timestamp, asset_id);

-- local; m: causal
select timestamp, asset_id, lag(timestamp) over (partition by asset_id order by timestamp) as m from prices;

-- unproved
select lag(timestamp) over (partition by asset_id order by timestamp) as timestamp, asset_id, close as m from prices;
