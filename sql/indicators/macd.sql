-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :line, and :signal that is the line smoothed
-- params: :macd, :macd_signal, :macd_hist
-- All three begin on the signal's first bar, as in TA-Lib. The query of the signal reads `line`.
with

line as materialized (
    select *
    from :line
),

signal as (
    select *
    from :signal
)

select
    line.timestamp,
    line.asset_id,
    case when signal.value is not null then line.value end as :macd,
    signal.value as :macd_signal,
    line.value - signal.value as :macd_hist
from line
inner join signal
    on line.asset_id = signal.asset_id and line.timestamp = signal.timestamp
