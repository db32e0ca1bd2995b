-- grain:  one row per dropped row
-- reads:  :target
-- params: :check is the query of a check over :target
-- The user asked for bad rows to be dropped; the count returned goes into the run.
delete from :target
where __row_id in (select __row_id from (:check))
