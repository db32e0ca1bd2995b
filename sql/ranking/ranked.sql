-- grain:  one row per (t, sid), at most :n per bar (and group)
-- reads:  temp.bars with its features, temp.market
-- params: :columns, :joins, :score, :eligible, :grouping, :n, :direction, :weight
-- The whole cross-section of the chunk in one query; ties go to the lower asset_id.
with

known as (
    select
        bars.t,
        bars.sid
        :columns
    from temp.bars as bars
    :joins
),

scored as (
    select
        signals.*,
        (:score)::double as score,
        (:eligible) as is_eligible,
        (:grouping) as ranking_group
    from known as signals
    inner join temp.market as market on signals.t = market.t
),

kept as (
    select
        *,
        row_number() over (
            partition by t, ranking_group
            order by score :direction, sid asc
        ) as rank
    from scored
    -- NaN sorts above every number in DuckDB: unguarded, it would rank first.
    where is_eligible and isfinite(score) and ranking_group is not null
    qualify rank <= :n
),

weighted as (
    select
        signals.t,
        signals.sid,
        signals.score,
        signals.ranking_group,
        signals.rank,
        (:weight)::double as weight
    from kept as signals
    inner join temp.market as market on signals.t = market.t
)

select
    t,
    sid,
    rank,
    score,
    weight
from weighted
order by t asc, ranking_group asc, rank asc, sid asc
