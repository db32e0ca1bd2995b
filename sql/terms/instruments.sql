-- grain:  one row per asset of prices
-- reads:  stage.assets, :assets, :said
-- params: :columns, $instruments
-- Contract terms by number; assets that the source does not have are plain shares.
with

terms as (
    select
        numbers.sid,
        -- As its place; what says nothing is the first, a share.
        coalesce(list_position($instruments, :said), 1) - 1 as instrument,
        :columns
    from stage.assets as numbers
    left join :assets as assets on numbers.asset_id = assets.asset_id
)

select * from terms
order by sid asc
