-- grain:  one row per asset of prices
-- reads:  stage.assets, :assets, :said
-- params: :columns
-- Contract terms by number; assets that the source does not have are plain shares.
with

terms as (
    select
        numbers.sid,
        -- As its place in `core.terms.INSTRUMENTS`.
        case :said
            when 'future' then 1
            when 'perpetual' then 2
            else 0
        end as instrument,
        :columns
    from stage.assets as numbers
    left join :assets as assets on numbers.asset_id = assets.asset_id
)

select * from terms
order by sid asc
