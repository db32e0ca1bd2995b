-- grain:  one row per form, move and lag of one column
-- reads:  :values, :moves
-- params: :source, :column_name, :item, :level, :forms, :part, $least_bars
-- formula: ic[t] = mean over assets of score(x[t]) * score(move[t + lag]), scores of ranks among
--          the assets of the bar (or among the bars of the asset, where there are few assets);
--          t_stat = mean(ic) / stddev(ic) * sqrt(n) over bars
-- source:  Fama and MacBeth, Journal of Political Economy 81, 1973, of means over dates
-- Over bars and not over all cells: those of one bar move together, and are no trials of their own.
with

own as (
    select
        t,
        sid,
        (:item)::double as value,
        __close,
        case
            when lag(t) over of_asset = t - 1
                then (:item)::double - lag((:item)::double) over of_asset
        end as change
    from :values
    window of_asset as (partition by sid order by t)
),

forms as (
    select
        t,
        sid,
        :level as form,
        value as x
    from own
    union all
    select
        t,
        sid,
        'change' as form,
        change as x
    from own
    union all
    select
        t,
        sid,
        'to close' as form,
        value / nullif(__close, 0) as x
    from own
),

ranked as (
    select
        t,
        sid,
        form,
        rank() over by_x + (
            count(*) over (
                partition by form, :part
                order by x
                range between current row and current row
            ) - 1
        ) / 2 as place
    from forms
    -- NaN sorts above every number in DuckDB: it would be the highest of all.
    where isfinite(x) and form in (:forms)
    window by_x as (partition by form, :part order by x)
),

scored as (
    select
        t,
        sid,
        form,
        (place - avg(place) over of_part)
        / nullif(stddev_pop(place) over of_part, 0) as score
    from ranked
    window of_part as (partition by form, :part)
),

by_bar as (
    select
        scored.form,
        scored.t,
        -- Of decimals a sum is the same in every order, which no thread need keep.
        avg((scored.score * columns(moves.* exclude (t, sid)))::decimal(18, 9))
    from scored
    inner join :moves as moves on scored.t = moves.t and scored.sid = moves.sid
    where scored.score is not null
    group by scored.form, scored.t
),

by_lag as (
    select *
    from by_bar
    unpivot (ic for place in (columns(* exclude (form, t))))
)

select
    :source as source,
    :column_name as column_name,
    form,
    split_part(place, '_', 1) as move,
    translate(split_part(place, '_', 2), 'ba', '-')::integer as lag,
    avg(ic order by t) as mean_ic,
    -- Divided by a deviation of zero, one that is the same at every bar would be unknown.
    case
        when stddev_samp(ic order by t) = 0
            then sign(avg(ic order by t)) * 'infinity'::double
        else
            avg(ic order by t) / stddev_samp(ic order by t)
            * sqrt(count(*))
    end as t_stat,
    count(*) as n_bars
from by_lag
group by form, place
having count(*) >= $least_bars
