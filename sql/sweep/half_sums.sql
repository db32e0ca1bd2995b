-- grain:  one row per trial and set of the first (half 0) or the last (half 1) half of the blocks
-- reads:  :block_sums
-- params: $n_half, :target
-- Sums over every set of blocks, and over those of its half that are not in it (other_): the sums
-- of any half of all blocks are two of them, so that none is added up more than once. Block b is in
-- set s where bit b of s is 1.
create or replace temp table :target as
with

sets as (
    select
        blocks::integer as blocks,
        list_transform(
            range($n_half), lambda block: ((blocks >> block) & 1)::double
        ) as is_in,
        list_transform(is_in, lambda one: 1 - one) as is_out
    from range(1 << $n_half) as numbers (blocks)
),

halves as (
    select
        trial,
        block // $n_half as half,
        any_value(mean) as mean,
        list(n order by block) as n,
        list(total order by block) as total,
        list(squares order by block) as squares
    from :block_sums
    group by trial, half
)

select
    halves.half,
    sets.blocks,
    halves.trial,
    halves.mean,
    list_dot_product(halves.n, sets.is_in) as n,
    list_dot_product(halves.total, sets.is_in) as total,
    list_dot_product(halves.squares, sets.is_in) as squares,
    list_dot_product(halves.n, sets.is_out) as other_n,
    list_dot_product(halves.total, sets.is_out) as other_total,
    list_dot_product(halves.squares, sets.is_out) as other_squares
from halves
cross join sets
