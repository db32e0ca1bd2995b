"""The table `runs`: what is said of a run as a whole, one row."""

from __future__ import annotations

from ml4t.backtest.results.run_facts import RunFacts
from ml4t.backtest.results.table import COUNT, JSON, MOMENT, NUMBER, TEXT, Column, Table

RUNS = Table(
    name="runs",
    events=(RunFacts,),
    columns=(
        Column("started_at", MOMENT, "wall clock (UTC)"),
        Column("finished_at", MOMENT, "wall clock (UTC)"),
        Column("initial_capital", NUMBER, "account currency"),
        Column("fill_policy", TEXT, "when and in which order orders and levels fill"),
        Column("configuration", JSON, "strategy, rules, costs and account, as JSON"),
        Column("sources", JSON, "fingerprint of every source, as JSON"),
        Column(
            "rows_dropped",
            JSON,
            "rows left out by on_bad_rows='drop', by source and rule, as JSON",
        ),
        Column(
            "drop_rules",
            JSON,
            "what each rule of rows_dropped says of those rows, as JSON; NULL: not written down",
            is_later=True,
        ),
        Column("versions", JSON, "package versions, as JSON"),
        Column("n_assets", COUNT, "assets with a bar"),
        Column("n_bars", COUNT, "distinct timestamps"),
        Column("activity", JSON, "how often each rule and limit was asked and acted, as JSON"),
        Column(
            "misses",
            JSON,
            "names that the strategy read with a default and that are nowhere, as JSON",
        ),
        Column(
            "selection",
            JSON,
            "decision bars, those with fewer candidates than n, and how often each part of when, "
            "where and entry rules was true where nothing or too little came of it, as JSON; NULL: "
            "not counted",
            is_later=True,
        ),
        Column(
            "periods_per_year",
            NUMBER,
            "bars of a year as the user stated them; NULL: counted or assumed",
        ),
        Column(
            "warnings",
            JSON,
            "data that may be wrong and was used as it is, by source and rule, as JSON",
        ),
        Column(
            "sessions_per_year",
            NUMBER,
            "as calendar, asset class or user say; NULL: counted or assumed",
            is_later=True,
        ),
        Column(
            "bars_per_session", NUMBER, "by the calendar's sessions; NULL: counted", is_later=True
        ),
        Column(
            "excursions_from",
            TEXT,
            "what mae and mfe of trades are made of: 'high and low' of the bars where both are "
            "asked for as evidence, else 'close'; NULL: not measured",
            is_later=True,
        ),
        Column(
            "sessions_from",
            TEXT,
            "calendar, asset class or stated sessions; NULL: nobody said how many a year has",
            is_later=True,
        ),
        Column("format", COUNT, "form of the tables; NULL: the first", is_later=True),
    ),
)
