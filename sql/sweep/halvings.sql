-- grain:  one row per way to part the blocks into two halves
-- reads:  nothing
-- params: $n_half, :target
-- Each is two splits: either half can be the one in which is chosen. Block 0 is in the first.
create or replace temp table :target as
select
    row_number() over (order by low.blocks asc, high.blocks asc)::integer as halving,
    low.blocks::integer as low,
    high.blocks::integer as high
from range(1 << $n_half) as low (blocks)
cross join range(1 << $n_half) as high (blocks)
where low.blocks & 1 = 1 and bit_count(low.blocks) + bit_count(high.blocks) = $n_half
