-- grain:  one row per row that one of two runs has and the other has not, as often
-- reads:  :one, :other, the same table of both
-- params: :columns without the numbers of rows, :keys, $one and $other, their names
-- Exactly: a last digit that differs is a difference. One more order moves the number of every
-- later one, so that numbers are not compared.
with

of_one as (
    select :columns
    from :one
),

of_other as (
    select :columns
    from :other
),

only_one as (
    select * from of_one
    except all
    select * from of_other
),

only_other as (
    select * from of_other
    except all
    select * from of_one
),

of_both as (
    select
        $one::varchar as run,
        only_one.*
    from only_one
    union all
    select
        $other::varchar as run,
        only_other.*
    from only_other
)

select * from of_both
order by :keys
