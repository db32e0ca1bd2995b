-- grain:  one row per asset of a source with prices; one of a source of the whole market
-- reads:  :rows, stage.timeline, stage.assets
-- params: :source, :asset_id
-- formula: n_missing = bars of the market from the asset's first to its last without a row that
--          became known there; longest_gap in bars, after the bar gap_after
with

steps as (
    select
        sid,
        t,
        t - lag(t) over (partition by sid order by t) - 1 as gap
    from :rows
    where t is not null and sid is not null
),

told as (
    select
        sid,
        min(t) as first_t,
        max(t) as last_t,
        -- Rows known at one bar, such as those of a weekend, have a gap of -1 between them.
        count(*) filter (where coalesce(gap >= 0, true)) as n_bars,
        count(*) filter (where gap > 0) as n_gaps,
        greatest(coalesce(max(gap), 0), 0) as longest_gap,
        -- The first of equally long ones.
        min_by(t - gap - 1, (-gap, t)) filter (where gap > 0) as gap_t
    from steps
    group by sid
)

select
    :source as source,
    (:asset_id)::varchar as asset_id,
    first_bars.timestamp as first_bar,
    last_bars.timestamp as last_bar,
    told.n_bars,
    told.last_t - told.first_t + 1 - told.n_bars as n_missing,
    told.n_gaps,
    told.longest_gap,
    gap_bars.timestamp as gap_after
from told
left join stage.assets as assets on told.sid = assets.sid
inner join stage.timeline as first_bars on told.first_t = first_bars.t
inner join stage.timeline as last_bars on told.last_t = last_bars.t
left join stage.timeline as gap_bars on told.gap_t = gap_bars.t
