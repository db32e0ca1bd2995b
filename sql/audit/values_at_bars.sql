-- grain:  one row per row of :view at a bar of the run
-- reads:  :view, stage.timeline
-- params: :columns, :first_t, :last_t
-- What columns say at the bars of a run.
select :columns
from :view
where
    timestamp >= (
        select timestamp
        from stage.timeline
        where t = :first_t
    )
    and timestamp <= (
        select timestamp
        from stage.timeline
        where t = :last_t
    )
