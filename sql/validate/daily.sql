-- grain:  one row
-- reads:  :source
-- params: none
-- A frame library without a date type stamps days as midnights: next to intraday bars they are
-- seen hours before they could be known, just like dates; midnights of UTC too, whatever the
-- zone in force. A search ends at the first time that is none.
select
    exists (
        select 1
        from :source
        where timestamp is not null
    )
    and (
        not exists (
            select 1
            from :source
            where timestamp <> date_trunc('day', timestamp)
        )
        or not exists (
            select 1
            from :source
            where epoch_us(timestamp) % 86400000000 <> 0
        )
    ) as is_daily
