-- grain:  one row per horizon and group
-- reads:  :group_ic
-- params: :target
-- formula: as factor/decay, over the decisions of a group
create or replace temp table :target as
select
    horizon,
    group_name,
    count(rank_ic) as n_decisions,
    avg(n_assets) as mean_n_assets,
    avg(mean_return) as mean_return,
    avg(ic) as mean_ic,
    avg(rank_ic) as mean_rank_ic,
    avg(rank_ic) / nullif(stddev_samp(rank_ic), 0) as rank_ic_ir,
    avg(rank_ic) / nullif(stddev_samp(rank_ic), 0)
    * sqrt(count(rank_ic)) as rank_ic_t_stat
from :group_ic
group by horizon, group_name
order by horizon asc, group_name asc
