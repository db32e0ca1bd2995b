-- local; m: causal
select timestamp, asset_id, avg(close) over (partition by asset_id order by timestamp rows between 4 preceding and current row) as m from prices;

-- local; m: causal
select timestamp, asset_id, avg(close) over (partition by asset_id order by timestamp rows between 4 preceding and 1 preceding) as m from prices;

-- local; m: causal
select timestamp, asset_id, sum(close) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, sum(close) over (partition by asset_id order by timestamp range unbounded preceding) as m from prices;

-- local; m: causal
select timestamp, asset_id, stddev(close) over (partition by asset_id order by timestamp rows 9 preceding) as m from prices;

-- local; m: causal
select timestamp, asset_id, sum(close) over (partition by asset_id order by timestamp range between interval '7 days' preceding and current row) as m from prices;

-- local; m: causal
select timestamp, asset_id, sum(close) over (partition by asset_id order by timestamp range between interval '30 days' preceding and interval '1 day' preceding) as m from prices;

-- local; m: causal
select timestamp, asset_id, count(*) over (order by timestamp groups between 2 preceding and current row) as m from prices;

-- local; m: causal
select timestamp, asset_id, sum(close) over (order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, sum(close) over (order by timestamp, asset_id rows between 3 preceding and current row exclude current row) as m from prices;

-- local; m: causal
select timestamp, asset_id, sum(close) over (order by timestamp range between interval '5 days' preceding and current row exclude group) as m from prices;

-- local; m: causal
select timestamp, asset_id, sum(close) over (order by timestamp range between interval '5 days' preceding and current row exclude ties) as m from prices;

-- local; m: causal
select timestamp, asset_id, max(close) over (partition by asset_id order by timestamp desc rows between current row and 4 following) as m from prices;

-- local; m: causal
select timestamp, asset_id, max(close) over (partition by asset_id order by timestamp desc rows between current row and unbounded following) as m from prices;

-- local; m: causal
select timestamp, asset_id, close - first_value(close) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, last_value(close ignore nulls) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, last_value(close ignore nulls) over (partition by asset_id order by timestamp rows between unbounded preceding and 1 preceding) as m from prices;

-- local; m: causal
select timestamp, asset_id, nth_value(close, 2) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, row_number() over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, rank() over (order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, dense_rank() over (order by timestamp) as m from prices;

-- local; m: causal; q: causal
select timestamp, asset_id, median(close) over w as m, quantile_cont(close, 0.9) over w as q from prices window w as (partition by asset_id order by timestamp rows between 9 preceding and current row);

-- local; m: causal
select timestamp, asset_id, sum(close) filter (where volume > 3) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, count(distinct volume) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, list(close order by volume, timestamp) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, corr(close, open) over (partition by asset_id order by timestamp rows 5 preceding) as m from prices;

-- local; m: causal
select timestamp, asset_id, regr_slope(close, open) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, arg_max(open, close) over (partition by asset_id order by timestamp rows 5 preceding) as m from prices;

-- local; m: causal
select timestamp, asset_id, bool_or(close > 5) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: causal
select timestamp, asset_id, min(timestamp) over (partition by asset_id) as m from prices;

-- local; m: causal
select timestamp, asset_id, timestamp - min(timestamp) over (partition by asset_id order by timestamp) as m from prices;

-- local; m2: causal
select timestamp, asset_id, avg(m) over (partition by asset_id order by timestamp rows 2 preceding) as m2 from (select *, avg(close) over (partition by asset_id order by timestamp rows 2 preceding) as m from prices);

-- local; m: causal
select timestamp, asset_id, sum(close) over (partition by a.sector order by timestamp) as m from prices join assets as a using (asset_id);

-- local
select timestamp, asset_id, rank() over (partition by timestamp order by close) as m from prices;

-- local
select timestamp, asset_id, close - avg(close) over (partition by timestamp) as m from prices;

-- local
select timestamp, asset_id, percent_rank() over (partition by timestamp order by close) as m from prices;

-- local
select timestamp, asset_id, ntile(2) over (partition by timestamp order by close, asset_id) as m from prices;

-- local
select timestamp, asset_id, cume_dist() over (partition by timestamp order by close desc) as m from prices;

-- local
select timestamp, asset_id, lead(close) over (partition by timestamp order by asset_id) as m from prices;

-- local
select timestamp, asset_id, sum(close) over (partition by timestamp order by close, asset_id rows between unbounded preceding and unbounded following) as m from prices;

-- local
select timestamp, asset_id, (close - avg(close) over w) / nullif(stddev(close) over w, 0) as m from prices window w as (partition by timestamp);

-- local
select p.timestamp, asset_id, avg(close) over (partition by p.timestamp, sector) as m from prices as p join assets using (asset_id);

-- local
select timestamp, asset_id, row_number() over (partition by timestamp order by close desc, asset_id) as m from prices qualify m <= 2;

-- local
select timestamp, asset_id, first_value(asset_id) over (partition by timestamp order by close desc, asset_id) as m from prices;

-- local; m: leaks
select timestamp, asset_id, close - avg(close) over (partition by asset_id) as m from prices;

-- local; m: leaks
select timestamp, asset_id, close / max(close) over () as m from prices;

-- local; m: leaks
select timestamp, asset_id, avg(close) over (partition by asset_id order by timestamp rows between 2 preceding and 2 following) as m from prices;

-- local; m: leaks
select timestamp, asset_id, sum(close) over (partition by asset_id order by timestamp rows between current row and 1 following) as m from prices;

-- local; m: leaks
select timestamp, asset_id, avg(close) over (partition by asset_id order by timestamp rows between unbounded preceding and unbounded following) as m from prices;

-- local; m: leaks
select timestamp, asset_id, last_value(close) over (partition by asset_id order by timestamp rows between unbounded preceding and unbounded following) as m from prices;

-- local; m: leaks
select timestamp, asset_id, sum(close) over (partition by asset_id order by timestamp desc) as m from prices;

-- local; m: leaks
select timestamp, asset_id, max(close) over (partition by asset_id order by timestamp desc rows between 3 preceding and current row) as m from prices;

-- local; m: leaks
select timestamp, asset_id, row_number() over (partition by asset_id order by timestamp desc) as m from prices;

-- local; m: leaks
select timestamp, asset_id, rank() over (partition by asset_id order by close) as m from prices;

-- local; m: leaks
select timestamp, asset_id, percent_rank() over (partition by asset_id order by timestamp) as m from prices;

-- local; m: leaks
select timestamp, asset_id, ntile(3) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: leaks
select timestamp, asset_id, cume_dist() over (order by timestamp) as m from prices;

-- local; m: leaks
select timestamp, asset_id, avg(close) over (order by timestamp groups between 1 preceding and 1 following) as m from prices;

-- local; m: leaks
select timestamp, asset_id, fill(close) over (partition by asset_id order by timestamp) as m from prices;

-- local; m: leaks
select timestamp, asset_id, max(timestamp) over (partition by asset_id) as m from prices;

-- local; m: leaks
select timestamp, asset_id, min(timestamp) over (partition by asset_id order by timestamp desc rows between unbounded preceding and 1 preceding) as m from prices;

-- local; m: leaks
select timestamp, asset_id, min(timestamp) filter (where close > 8) over (partition by asset_id) as m from prices;

-- local; m: leaks
select timestamp, asset_id, count(*) over (partition by date_trunc('week', timestamp)) as m from prices;

-- local; m: unproved
select timestamp, asset_id, sum(close) over (partition by asset_id order by date_trunc('week', timestamp)) as m from prices;

-- local; m: leaks
select timestamp, asset_id, first_value(close) over (partition by asset_id order by close, timestamp) as m from prices;

-- leaks
select timestamp, asset_id, close from prices qualify row_number() over (partition by asset_id order by timestamp desc) > 2;

-- causal
select timestamp, asset_id, close from prices qualify count(*) over (partition by asset_id order by timestamp) > 2;
