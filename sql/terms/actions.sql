-- grain:  one row per action of an asset of prices that falls on a bar
-- reads:  :actions, stage.assets, stage.timeline, :first_bars
-- params: :new_asset_id, :pay_date, :cash, :withholding, :share, :basis, $kinds, $first_t, $last_t
-- Each action at the first bar of the run at or after its ex-date, numbered as the loop reads it:
-- from the first bar of the run on.
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
        list_position($kinds, actions.kind) - 1 as place,
        actions.kind,
        actions.value * case
            -- Per share held after that day's split: so much more per share before it.
            when
                :basis = 'new'
                and actions.kind in ('dividend', 'return_of_capital', 'cash')
                then coalesce(
                    product(actions.value) filter (where actions.kind = 'split') over (
                        partition by actions.asset_id, actions.ex_date
                    ), 1
                )
            else 1
        end as value,
        :cash as cash,
        :withholding as withholding,
        :share as share,
        :new_asset_id as new_asset_id,
        :pay_date as pay_date,
        greatest(first_bars.t, $first_t::integer) as t
    from :actions as actions
    inner join stage.assets as assets on actions.asset_id = assets.asset_id
    inner join first_bars on actions.ex_date = first_bars.moment
    -- What happened before the first day is in its prices already.
    where
        first_bars.t <= $last_t::integer
        and actions.ex_date::date >= (
            select timestamp::date
            from stage.timeline
            where t = $first_t::integer
        )
),

renames as (
    select
        effective.sid,
        assets.sid as new_sid,
        effective.t,
        effective.ex_date
    from effective
    left join stage.assets as assets on effective.new_asset_id = assets.asset_id
    where effective.kind in ('rename', 'merger')
),

-- Under its old name nobody holds anything after a rename: what is listed so comes before it,
-- whatever its date.
left_behind as (
    select
        sid,
        t,
        min(ex_date) as ex_date
    from renames
    group by sid, t
),

-- Under its new name a rename's own date speaks of shares that have it already.
taken_on as (
    select distinct
        new_sid as sid,
        t,
        ex_date
    from renames
    where new_sid is not null
),

numbered as (
    select
        effective.*,
        case
            when effective.place < list_position($kinds, 'rename') - 1
                then least(effective.ex_date, left_behind.ex_date)
            else effective.ex_date
        end as applies_at,
        effective.place < list_position($kinds, 'rename') - 1
        and taken_on.sid is not null as is_of_new_name,
        payments.t as pay_t,
        assets.sid as new_sid
    from effective
    left join left_behind
        on effective.sid = left_behind.sid and effective.t = left_behind.t
    left join taken_on
        on
            effective.sid = taken_on.sid
            and effective.t = taken_on.t
            and effective.ex_date = taken_on.ex_date
    left join stage.assets as assets on effective.new_asset_id = assets.asset_id
    left join first_bars as payments on effective.pay_date = payments.moment
)

select
    t - $first_t::integer as t,
    sid,
    place,
    case
        when kind = 'rename' then 'nan'::double
        when kind = 'rights' then coalesce(share, 0)
        else coalesce(value, 'nan'::double)
    end as value,
    coalesce(cash, 0) as cash,
    coalesce(withholding, 0) as withholding,
    case
        when share is null and kind in ('merger', 'spinoff') then 'nan'::double
        else coalesce(share, 0)
    end as share,
    case
        when
            kind not in ('dividend', 'return_of_capital', 'cash', 'rights')
            or pay_date is null
            then t
        else greatest(least(coalesce(pay_t, $last_t + 1), $last_t + 1), $first_t)
    end::integer - $first_t::integer as pay_t,
    case
        when kind in ('rename', 'merger', 'spinoff') then coalesce(new_sid, -1)
        else -1
    end as new_sid
from numbered
-- Several dates may fall on one bar (a holiday, a weekly bar): each date's actions apply to
-- what those of earlier ones have left. Within a date by kind before asset: what an asset pays
-- does not depend on how it or another is named.
order by
    t asc,
    applies_at asc,
    (kind = 'delisting') asc,
    is_of_new_name asc,
    place asc,
    sid asc,
    ex_date asc,
    value asc,
    pay_t asc,
    new_sid asc
