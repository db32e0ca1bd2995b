-- grain:  one row per root and bar of the contract that it is at
-- reads:  :contracts, :rolls
-- params: :is_ratio
-- The contract that expires first is the first of its root. From the bar of a roll on, at whose
-- close it is decided, it is the new one; what the roll adds is taken off, so that the value is the
-- same of both, and none changes by a later roll.
with recursive

starts as (
    select
        root,
        arg_min(asset_id, (timestamp, expiry, asset_id)) as asset_id
    from :contracts
    group by root
),

chain as (
    select
        starts.root,
        starts.asset_id,
        -- Of the type that the rolls have.
        (
            select max(timestamp)
            from :rolls
            where false
        ) as since,
        case when :is_ratio then 1.0::double else 0.0::double end as adjustment
    from starts
    union all
    select
        chain.root,
        rolls.new_asset_id as asset_id,
        rolls.timestamp as since,
        case
            when :is_ratio then chain.adjustment * new.close / old.close
            else chain.adjustment + new.close - old.close
        end as adjustment
    from chain
    inner join :rolls as rolls on chain.asset_id = rolls.asset_id
    inner join :contracts as old
        on rolls.asset_id = old.asset_id and rolls.timestamp = old.timestamp
    inner join :contracts as new
        on rolls.new_asset_id = new.asset_id and rolls.timestamp = new.timestamp
    where chain.since is null or rolls.timestamp > chain.since
),

held as (
    select
        *,
        lead(since) over (partition by root order by since asc nulls first) as until
    from chain
),

adjusted as (
    select
        contracts.timestamp,
        contracts.root,
        contracts.asset_id,
        case
            when :is_ratio then contracts.close / held.adjustment
            else contracts.close - held.adjustment
        end as continuous
    from held
    inner join :contracts as contracts
        on
            held.root = contracts.root
            and held.asset_id = contracts.asset_id
            and (held.since is null or held.since <= contracts.timestamp)
            and (held.until is null or held.until > contracts.timestamp)
)

select * from adjusted
order by root asc, timestamp asc
