-- grain:  one row
-- reads:  stage.timeline, stage.assets
-- params: $t, $sid
-- A bar and an asset in the user's words, for a message.
select
    (
        select timeline.timestamp::varchar
        from stage.timeline as timeline
        where timeline.t = $t
    ) as bar,
    (
        select assets.asset_id::varchar
        from stage.assets as assets
        where assets.sid = $sid
    ) as asset_id
