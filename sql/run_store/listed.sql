-- grain:  one row per run of a store, damaged ones too
-- reads:  :entries, :found, :tagged
-- params: :target
-- What a list of runs shows: problem says in words why a run is left out of the tables.
create table :target as
with

tags_of_run as (
    select
        run_id,
        list(tag order by tag asc) as tags
    from :tagged as tagged
    group by run_id
)

select
    found.run_id::varchar as run_id,
    entries.created_at,
    coalesce(tags_of_run.tags::varchar[], []) as tags,
    entries.* exclude (run_id, created_at, bytes, layout, written_ns),
    found.problem::varchar as problem
from :found as found
left join :entries as entries on found.run_id::varchar = entries.run_id
left join tags_of_run on found.run_id::varchar = tags_of_run.run_id::varchar
order by entries.created_at asc, found.run_id asc
