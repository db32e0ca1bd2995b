-- grain:  one row per row of :inputs
-- reads:  :inputs (timestamp, asset_id, value)
-- params: :n
-- Mean and population standard deviation of the last n values; NULL until there are n. Not
-- avg(value) over (...): DuckDB sums a frame in blocks that lie where the rows happen to lie, so
-- that the last digits of a value depend on rows after it and on other assets.
--
-- Two samples that follow one another make one (Chan, Golub and LeVeque, The American
-- Statistician 37, 1983), squares being the sum of squared distances from the mean:
--     mean = mean_a + (mean_b - mean_a) n_b / (n_a + n_b)
--     squares = squares_a + squares_b + (mean_b - mean_a)^2 n_a n_b / (n_a + n_b)
-- A round of the recursion has a size, 1, 2, 4, ..., and of every row i
--     block_*[i], of the last `size` values up to i,
--     window_*[i], of the last `taken` values up to i, with taken = n mod size.
-- In the first round a block is a value, with squares of 0, and nothing is taken. In the next one
--     a block is the block at i and the one at i - size, which ends where that begins;
--     where n has the binary digit `size`, a window is the window at i and the block at
--     i - taken, which ends where that begins; else it stays: taken = n mod (2 size) again.
-- Once size is above n, taken is n, and a window is what is asked for.
with recursive

series as (
    select
        asset_id,
        list(timestamp order by timestamp) as timestamps,
        list(value order by timestamp) as means,
        list(0.0::double order by timestamp) as squares
    from :inputs
    group by asset_id
),

-- An index below 1 is not asked for: DuckDB would count it from the end, which is the future.
rounds as (
    select
        asset_id,
        1 as size,
        0 as taken,
        means as block_means,
        squares as block_squares,
        means as window_means,
        squares as window_squares
    from series

    union all

    select
        asset_id,
        size * 2 as size,
        case when :n & size > 0 then taken + size else taken end as taken,
        [
            case when i > size then mean + (block_means[i - size] - mean) / 2 end
            for mean, i in block_means
        ] as block_means,
        [
            case
                when i > size
                    then
                        squares
                        + block_squares[i - size]
                        + (block_means[i - size] - block_means[i]) ** 2 * size / 2
            end
            for squares, i in block_squares
        ] as block_squares,
        case
            when :n & size = 0 then window_means
            when taken = 0 then block_means
            else [
                case
                    when i > taken
                        then
                            mean
                            + (block_means[i - taken] - mean)
                            * size / (taken + size)
                end
                for mean, i in window_means
            ]
        end as window_means,
        case
            when :n & size = 0 then window_squares
            when taken = 0 then block_squares
            else [
                case
                    when i > taken
                        then
                            squares
                            + block_squares[i - taken]
                            + (block_means[i - taken] - window_means[i]) ** 2
                            * size * taken / (taken + size)
                end
                for squares, i in window_squares
            ]
        end as window_squares
    from rounds
    where taken < :n
)

select
    series.asset_id,
    unnest(series.timestamps) as timestamp,
    unnest(rounds.window_means) as mean,
    sqrt(unnest(rounds.window_squares) / :n) as deviation
from series
inner join rounds on series.asset_id = rounds.asset_id
where rounds.taken = :n
