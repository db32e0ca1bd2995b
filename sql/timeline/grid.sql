-- grain:  one row
-- reads:  stage.timeline, stage.assets
-- params: none
-- How many bars and assets the run has.
select
    (select count(*) from stage.timeline) as n_bars,
    (select count(*) from stage.assets) as n_assets
