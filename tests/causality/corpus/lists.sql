-- local
select timestamp, asset_id, list_sum(path) as m from features;

-- local
select timestamp, asset_id, list_transform(path, lambda x: x * 2) as m from features;

-- local
select timestamp, asset_id, list_transform(path, lambda x, i: x * i) as m from features;

-- local
select timestamp, asset_id, list_filter(path, lambda x: x > score) as m from features;

-- local
select timestamp, asset_id, list_reduce(list_prepend(0.0, path), lambda a, b: a + b) as m from features;

-- local
select timestamp, asset_id, [x * 2 for x in path if x > 1] as m from features;

-- local
select timestamp, asset_id, path[1] as a, path[-1] as b, path[1:2] as c, len(path) as d from features;

-- local
select timestamp, asset_id, list_sort(path) as m, list_aggregate(path, 'max') as x, list_contains(path, 3) as c from features;

-- local
select timestamp, asset_id, unnest(path) as m from features;

-- unproved
select timestamp, asset_id, x.v as m from features, unnest(path) as x (v);

-- unproved
select timestamp, asset_id, x.v as m from features left join unnest(path) as x (v) on true;

-- local
select timestamp, asset_id, unnest([close, open]) as m from prices;

-- local
select timestamp, asset_id, unnest(range(3)) as m from prices;

-- local
select timestamp, asset_id, list_zip(path, range(len(path))) as m from features;

-- local; m: unproved
select timestamp, asset_id, (select sum(v) from (select unnest(path) as v)) as m from features;

-- local
select timestamp, list_avg(list(close order by close)) as m from prices group by timestamp;

-- local; m: causal
select timestamp, asset_id, list_median(list(close) over (partition by asset_id order by timestamp rows 4 preceding)) as m from prices;

-- local; m: causal
select timestamp, asset_id, list_sum(list(path[1]) over (partition by asset_id order by timestamp)) as m from features;

-- causal
select timestamp, asset_id, unnest(list(close) over (partition by asset_id order by timestamp rows 1 preceding)) as m from prices;

-- local; m: leaks
select timestamp, asset_id, list_sum(list(close) over (partition by asset_id)) as m from prices;

-- leaks
select timestamp, asset_id, list_position((select list(close order by timestamp desc, asset_id) from prices), close) as m from prices;

-- unproved
select list_transform([timestamp], lambda t: t + interval '1 day')[1] as timestamp, close as m from prices;

-- unproved
select unnest([timestamp, timestamp + interval '1 day']) as timestamp, close as m from prices;

-- unproved
select unnest([timestamp, timestamp - interval '1 day']) as timestamp, close as m from prices;
