-- grain:  one row per row of the user's query
-- reads:  :signals, :market, :ranked
-- params: :query
-- The names in a query mean the rows at hand: a CTE goes before a view of the same name.
with

signals as (
    select *
    from (:signals)
),

market as (
    select *
    from (:market)
),

ranked as (
    select *
    from (:ranked)
),

answered as (
    select *
    from (:query)
)

select * from answered
