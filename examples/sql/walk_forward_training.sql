-- grain:  one row per (timestamp, asset_id) of a member
-- reads:  samples
-- params: $test_year, $train_years, $embargo bars, $sample_every bars
-- Purged: a label counts only if it ended, and $embargo whole bars passed, before the first bar
-- of the test year. Labels overlap, so that every $sample_every-th bar loses little.
with

test as (
    select min(bar) as first_bar
    from samples
    where year(timestamp) = $test_year
),

training as (
    select samples.*
    from samples
    cross join test
    where
        year(samples.timestamp) between $test_year - $train_years and $test_year - 1
        and samples.bar % $sample_every = 0
        and samples.label is not null
        and samples.label_end_bar + $embargo < test.first_bar
)

select * from training
order by timestamp asc, asset_id asc
