-- grain:  one row per action of an asset of prices that falls on a bar
-- reads:  main.actions, stage.assets, stage.timeline, :first_bars
-- params: :new_asset_id, :pay_date
-- Each action at the first bar at or after its ex-date, numbered as the loop reads it.
with

first_bars as (
    select *
    from (:first_bars)
),

effective as (
    select
        assets.sid,
        actions.ex_date,
        -- The order in which one asset's actions of one bar apply.
        list_position(
            ['dividend', 'split', 'rename', 'delisting'], actions.kind
        ) - 1 as kind,
        actions.value,
        :new_asset_id as new_asset_id,
        :pay_date as pay_date,
        first_bars.t
    from main.actions as actions
    inner join stage.assets as assets on actions.asset_id = assets.asset_id
    inner join first_bars on actions.ex_date = first_bars.moment
    -- What happened before the first day is in its prices already.
    where
        first_bars.t is not null
        and actions.ex_date::date >= (
            select min(timestamp)::date
            from stage.timeline
        )
),

-- A dividend counts per share before its bar's splits. One that went ex after such a split
-- (a holiday, a weekly bar) was paid on the new shares.
-- Two dividends of one date must not double the splits.
dividends as (
    select distinct
        sid,
        t,
        ex_date
    from effective
    where kind = 0
),

scaled as (
    select
        dividends.sid,
        dividends.ex_date,
        product(splits.value) as ratio
    from dividends
    inner join effective as splits
        on
            dividends.sid = splits.sid
            and dividends.t = splits.t
            and dividends.ex_date > splits.ex_date
    where splits.kind = 1
    group by dividends.sid, dividends.ex_date
),

numbered as (
    select
        effective.*,
        coalesce(scaled.ratio, 1) as ratio,
        payments.t as pay_t,
        successors.sid as new_sid
    from effective
    left join scaled
        on effective.sid = scaled.sid and effective.ex_date = scaled.ex_date
    left join stage.assets as successors
        on effective.new_asset_id = successors.asset_id
    left join first_bars as payments on effective.pay_date = payments.moment
)

select
    t,
    sid,
    kind,
    case kind
        when 0 then value * ratio
        when 2 then 'nan'::double
        else coalesce(value, 'nan'::double)
    end as value,
    case
        when kind <> 0 or pay_date is null then t
        else coalesce(pay_t, (select count(timestamp) from stage.timeline))
    end as pay_t,
    case when kind = 2 then coalesce(new_sid, -1) else -1 end as new_sid
from numbered
-- By kind before asset: what an asset pays does not depend on how it or another is named.
order by
    t asc,
    kind asc,
    -- Of two renames between the same bars the earlier first.
    case when kind = 2 then ex_date end asc,
    sid asc,
    ex_date asc,
    value asc,
    pay_t asc,
    new_sid asc
