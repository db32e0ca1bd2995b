-- grain:  one row per contract that is rolled
-- reads:  :contracts
-- params: :days, :old_interest, :new_interest
-- The first bar at which a contract is to be left: so many days before its expiry, or after a bar
-- at which a later one had more open interest, whichever is first. Open interest of a bar is
-- published after its close, so that it counts from the next bar on. Both contracts trade there.
with

-- NULL and NaN are no open interest, and below any: a NULL would sort above all.
pairs as (
    select
        old.root,
        old.asset_id,
        old.timestamp,
        old.expiry,
        new.asset_id as new_asset_id,
        new.expiry as new_expiry,
        if(isfinite(:old_interest), :old_interest, null) as interest,
        if(isfinite(:new_interest), :new_interest, -1) as new_interest
    from :contracts as old
    inner join :contracts as new
        on
            old.root = new.root
            and old.timestamp = new.timestamp
            and old.expiry < new.expiry
),

bars as (
    select
        root,
        asset_id,
        timestamp,
        expiry,
        arg_min(new_asset_id, (new_expiry, new_asset_id)) as nearest,
        arg_max(new_asset_id, (new_interest, new_asset_id)) as largest,
        coalesce(max(new_interest) > any_value(interest), false) as is_beyond
    from pairs
    group by root, asset_id, timestamp, expiry
),

known as (
    select
        *,
        lag(is_beyond, 1, false) over by_bar as was_beyond,
        lag(largest) over by_bar as was_largest
    from bars
    window by_bar as (partition by asset_id order by timestamp)
),

due as (
    select
        timestamp,
        asset_id,
        case when was_beyond then was_largest else nearest end as new_asset_id
    from known
    where was_beyond or timestamp::date >= expiry::date - :days
    qualify row_number() over (partition by asset_id order by timestamp) = 1
)

select * from due
order by timestamp asc, asset_id asc
