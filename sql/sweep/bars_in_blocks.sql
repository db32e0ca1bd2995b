-- grain:  one row per bar
-- reads:  :bars
-- params: $n_blocks, :target
-- Blocks of bars that stand together; of n bars the first n % n_blocks blocks have one more than
-- the others, none is left out (NumPy's array_split, holdout-backtest 0.1.0 and purgedcv 0.1.11
-- too; pypbo drops the first n % n_blocks bars, phacker 0.1.0 the last, and R's pbo 1.3.5 wants a
-- whole number of bars a block).
create or replace temp table :target as
select
    timestamp,
    ntile($n_blocks) over (order by timestamp asc) - 1 as block
from (:bars) as bars
