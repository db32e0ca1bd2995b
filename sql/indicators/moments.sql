-- grain:  one row per row of :inputs
-- reads:  :inputs (timestamp, asset_id, value)
-- params: :n
-- Mean and population standard deviation of the last n values; NULL until there are n. Not
-- avg(value) over (...): DuckDB sums a frame in blocks that lie where the rows happen to lie, so
-- that the last digits of a value depend on rows after it and on other assets.
-- Windows of 1, 2, 4, ... values are each made of two halves, and the window of n of those of its
-- binary digits, by the rule for two parts of a sample (Chan, Golub and LeVeque, The American
-- Statistician 37, 1983):
--     mean = mean_a + (mean_b - mean_a) n_b / (n_a + n_b)
--     squares = squares_a + squares_b + (mean_b - mean_a)^2 n_a n_b / (n_a + n_b)
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

-- Element i of half_* is about the `size` values up to the i-th, of whole_* about the `taken`
-- values up to it. An index below 1 is not asked for: DuckDB would count it from the end, which
-- is the future.
windows as (
    select
        asset_id,
        1 as size,
        0 as taken,
        means as half_means,
        squares as half_squares,
        means as whole_means,
        squares as whole_squares
    from series

    union all

    select
        asset_id,
        size * 2 as size,
        case when :n & size > 0 then taken + size else taken end as taken,
        [
            case when i > size then mean + (half_means[i - size] - mean) / 2 end
            for mean, i in half_means
        ] as half_means,
        [
            case
                when i > size
                    then
                        squares
                        + half_squares[i - size]
                        + (half_means[i - size] - half_means[i]) ** 2 * size / 2
            end
            for squares, i in half_squares
        ] as half_squares,
        case
            when :n & size = 0 then whole_means
            when taken = 0 then half_means
            else [
                case
                    when i > taken
                        then
                            mean
                            + (half_means[i - taken] - mean)
                            * size / (taken + size)
                end
                for mean, i in whole_means
            ]
        end as whole_means,
        case
            when :n & size = 0 then whole_squares
            when taken = 0 then half_squares
            else [
                case
                    when i > taken
                        then
                            squares
                            + half_squares[i - taken]
                            + (half_means[i - taken] - whole_means[i]) ** 2
                            * size * taken / (taken + size)
                end
                for squares, i in whole_squares
            ]
        end as whole_squares
    from windows
    where taken < :n
)

select
    series.asset_id,
    unnest(series.timestamps) as timestamp,
    unnest(windows.whole_means) as mean,
    sqrt(unnest(windows.whole_squares) / :n) as deviation
from series
inner join windows on series.asset_id = windows.asset_id
where windows.taken = :n
