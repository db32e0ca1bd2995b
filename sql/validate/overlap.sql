-- grain:  one row
-- reads:  :source, stage.assets, stage.timeline
-- params: :asset_id, :source, :clock, :has_assets
-- Sources that share no asset or no time with prices would make every feature NULL.
select
    (
        not :has_assets or exists (
            select 1
            from stage.assets
            semi join :source as source on assets.asset_id = :asset_id
        )
    ) as has_common_asset,
    (
        (select min(:clock) from :source as source)
        <= (select max(timeline.timestamp) from stage.timeline)
    ) as is_known_in_time
