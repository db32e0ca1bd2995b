-- grain:  one row per (timestamp, asset_id) of a member
-- reads:  inputs, labels, raw_members
-- params: none
-- Inputs and label become ranks from 0 to 1 among the members of their timestamp: the model is
-- to tell stocks apart, not times, and neither a crash nor an error of the vendor outweighs a
-- year. What is NULL has no rank and takes none.
create or replace table samples as
with

members as (
    select
        inputs.*,
        labels.forward_return as label
    from inputs
    left join labels
        on
            inputs.timestamp = labels.timestamp
            and inputs.asset_id = labels.asset_id
    where
        exists (
            select 1
            from raw_members
            where
                raw_members.asset_id = inputs.asset_id
                and raw_members.start_date <= inputs.timestamp
                and (
                    raw_members.end_date is null
                    or inputs.timestamp < raw_members.end_date
                )
        )
),

ranked as (
    select
        timestamp,
        asset_id,
        case
            when columns(* exclude (timestamp, asset_id)) is not null
                then percent_rank() over (
                    partition by
                        timestamp,
                        columns(* exclude (timestamp, asset_id)) is null
                    -- A bare columns() here is `order by all`, which windows do not know.
                    order by 1.0 * columns(* exclude (timestamp, asset_id)) asc
                )
        end
    from members
)

select
    ranked.*,
    labels.bar,
    labels.label_end,
    labels.label_end_bar
from ranked
left join labels
    on
        ranked.timestamp = labels.timestamp
        and ranked.asset_id = labels.asset_id
order by ranked.timestamp asc, ranked.asset_id asc
