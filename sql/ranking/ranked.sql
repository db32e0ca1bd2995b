-- grain:  one row per (t, sid), at most :n per bar (and group), which may be a share of its rows
-- reads:  :scored, :market
-- params: :joins, :n, :direction, :weight, :kept_columns, :market_columns
-- The whole cross-section of the chunk in one query; ties go to the lower asset_id.
with

scored as (
    select *
    from (:scored)
),

eligible as (
    select *
    from scored
    -- NaN sorts above every number in DuckDB: unguarded, it would rank first.
    where __is_eligible and isfinite(__score) and __group is not null
),

-- Of few among many only what may be kept is sorted, ties included.
near as (
    select eligible.*
    from eligible
    :joins
),

kept as (
    select
        *,
        row_number() over (
            partition by t, __group
            order by __score :direction, sid asc
        ) as __rank
    from near
    qualify __rank <= :n
),

-- In a weight, score and rank are the ranking's own.
selected as (
    select
        t,
        sid,
        __group,
        __score as score,
        __rank as rank
        :kept_columns
    from kept
),

weight_market as (
    select
        t
        :market_columns
    from :market
),

weighted as (
    select
        signals.t,
        signals.sid,
        signals.__group,
        signals.score,
        signals.rank,
        (:weight)::double as __weight
    from selected as signals
    inner join weight_market as market on signals.t = market.t
)

select
    t,
    sid,
    rank,
    score,
    __weight as weight
from weighted
order by t asc, __group asc, rank asc, sid asc
