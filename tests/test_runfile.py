"""The run file: it says what Python can say, and a mistake in it names the place."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import Any

import polars as pl
import pytest

from ml4t.backtest import (
    ActionPolicy,
    BacktestConfig,
    BacktestEngine,
    BasisPointCommission,
    BasisPointSlippage,
    CashAccount,
    Catalog,
    CommissionByCurrency,
    ConfigError,
    Currencies,
    CurrencyRates,
    ExecutionPolicy,
    Fee,
    Financing,
    FixedSlippage,
    LevelPolicy,
    MakerTakerCommission,
    MarginAccount,
    MarketRules,
    MonthlyTieredCommission,
    NextClose,
    NextOpen,
    PerOrderCommission,
    PerShareCommission,
    SpreadSlippage,
    SquareRootImpact,
    ThisClose,
    TieredCommission,
    VolumeShareSlippage,
    VolumeWeighted,
    WorstPriceSlippage,
    runfile,
)
from ml4t.backtest.demo import demo_engine
from ml4t.backtest.presets import PRESETS
from ml4t.backtest.risk import (
    AllOf,
    AnyOf,
    BreakevenStop,
    DynamicTrailingStop,
    IsolatedMargin,
    MaxDailyLoss,
    MaxDrawdown,
    MaxGrossExposure,
    MaxGroupWeight,
    MaxNetExposure,
    MaxPositions,
    MaxTurnover,
    MaxVaR,
    MaxWeight,
    ScaledExit,
    SignalExit,
    StopLoss,
    TakeProfit,
    TimeBasedExit,
    TrailingStop,
    VolatilityScaledStopLoss,
    VolatilityTarget,
    VolatilityTrailingStop,
)
from ml4t.backtest.runfile import catalog_of, engine_of
from ml4t.backtest.runfile_tables import LIMITS, RULES, SETTINGS, TIMINGS, settings_text
from ml4t.backtest.synthetic import make_market

HEAD = """
[sources.prices]
path = "prices.parquet"

[sources.features]
path = ["features.parquet"]

[sources.context]
path = "*ontext.parquet"

[strategy]
kind = "TopN"
n = 5
by = "ml_score"
when = "vix <= 30"
every = 5

"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("runfile"), n_assets=30, n_bars=80)


def written(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def engine(folder: Path, tables: str) -> BacktestEngine:
    return engine_of(written(folder, HEAD + tables))


def config(folder: Path, tables: str) -> BacktestConfig:
    return engine(folder, tables).config


# -- what it can say ------------------------------------------------------------------------


def test_what_a_run_file_leaves_out_is_as_in_python(folder: Path) -> None:
    short, default = engine(folder, ""), demo_engine(folder)
    assert short.initial_capital == 100_000
    assert (short.risk_manager.rules, short.risk_manager.limits) == ([], [])
    assert short.config == default.config


QUERY = """
[strategy]
kind = "SQLStrategy"
query = "select timestamp, asset_id, weight from ranked"

[strategy.ranking]
n = 5
by = "ml_score"
when = "vix <= 30"
every = 5
"""


def test_a_query_is_a_strategy_and_trades_as_its_twin_in_topn(folder: Path) -> None:
    query = engine_of(written(folder, HEAD[: HEAD.index("[strategy]")] + QUERY)).run()
    ranked = engine(folder, "").run()
    assert query["final_value"] == ranked["final_value"]
    assert query["n_trades"] > 10


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("query =", "qeury =", "unknown key 'qeury'; did you mean 'query'"),
        ('query = "select timestamp, asset_id, weight from ranked"', "", "has no query"),
        ("n = 5", "m = 5", "[strategy.ranking] has the unknown key 'm'"),
    ],
)
def test_a_mistake_in_a_query_of_a_run_file_is_named(
    folder: Path, old: str, new: str, message: str
) -> None:
    text = HEAD[: HEAD.index("[strategy]")] + QUERY.replace(old, new)
    with pytest.raises(ConfigError) as caught:
        engine_of(written(folder, text))
    assert message in str(caught.value)


def test_strategy_capital_and_the_shorthands_of_costs_are_as_said(folder: Path) -> None:
    built = engine(
        folder, "[run]\ninitial_capital = 50_000\ncommission_bps = 1\nslippage_bps = 2.5"
    )
    assert repr(built.strategy) == "TopN(5, by='ml_score', when='vix <= 30', every=5)"
    assert built.initial_capital == 50_000
    assert built.config == BacktestConfig(
        commission=BasisPointCommission(1), slippage=BasisPointSlippage(2.5)
    )


COSTS: list[tuple[str, Any]] = [
    ('[commission]\nkind = "BasisPointCommission"\nbasis_points = 3', BasisPointCommission(3)),
    (
        '[commission]\nkind = "PerShareCommission"\nper_share = 0.005\nminimum = 1\ncap = 0.01',
        PerShareCommission(0.005, minimum=1, cap=0.01),
    ),
    ('[commission]\nkind = "PerOrderCommission"\namount = 4.95', PerOrderCommission(4.95)),
    (
        '[commission]\nkind = "TieredCommission"\ntiers = [[0, 10], [100_000, 5.0]]',
        TieredCommission(((0, 10), (100_000, 5.0))),
    ),
    (
        '[commission]\nkind = "MakerTakerCommission"\n'
        "maker_basis_points = -0.5\ntaker_basis_points = 3",
        MakerTakerCommission(maker_basis_points=-0.5, taker_basis_points=3),
    ),
    (
        '[commission]\nkind = "MonthlyTieredCommission"\ntiers = [[0, 0.01], [100, 0.005]]',
        MonthlyTieredCommission(((0, 0.01), (100, 0.005))),
    ),
    ('[commission]\nkind = "Fee"\namount = 0.001\non = "sell"', Fee(0.001, on="sell")),
    (
        '[commission]\nkind = "Fee"\namount = [[2020-01-01, 0.001], ["2024-01-01", "none"]]',
        Fee((("2020-01-01", 0.001), ("2024-01-01", None))),
    ),
    (
        '[commission]\nkind = "FeeSchedule"\n'
        'parts = [{ kind = "PerOrderCommission", amount = 5 }, '
        '{ kind = "Fee", amount = 0.18, per = "commission", column = "tax" }]',
        PerOrderCommission(5) + Fee(0.18, per="commission", column="tax"),
    ),
    ('[slippage]\nkind = "BasisPointSlippage"\nbasis_points = 0', BasisPointSlippage(0)),
    (
        '[commission]\nkind = "CommissionByCurrency"\nmodels = [["USD", { kind = '
        '"PerOrderCommission", amount = 1.0 }], ["EUR", { kind = "PerShareCommission", '
        "per_share = 0.01 }]]",
        CommissionByCurrency((("USD", PerOrderCommission(1.0)), ("EUR", PerShareCommission(0.01)))),
    ),
    ('[slippage]\nkind = "FixedSlippage"\namount = 0.01', FixedSlippage(0.01)),
    ('[slippage]\nkind = "WorstPriceSlippage"', WorstPriceSlippage()),
    (
        '[slippage]\nkind = "SpreadSlippage"\ncolumn = "bid_ask"\nshare = 0.4',
        SpreadSlippage("bid_ask", share=0.4),
    ),
    (
        '[impact]\nkind = "VolumeShareSlippage"\nprice_impact = 0.2',
        VolumeShareSlippage(price_impact=0.2),
    ),
    (
        '[impact]\nkind = "SquareRootImpact"\nvolatility_key = "sigma"',
        SquareRootImpact(volatility_key="sigma"),
    ),
    (
        "[financing]\ncredit_rate = 0.01\ndebit_rate = 0.06",
        Financing(credit_rate=0.01, debit_rate=0.06),
    ),
    (
        '[account]\nkind = "CashAccount"\nshortfall = "in_turn"\noverdraft = 100.0\nsettlement = 2',
        CashAccount(shortfall="in_turn", overdraft=100.0, settlement=2),
    ),
    ('[account]\nkind = "MarginAccount"\ninitial_margin = 0.6', MarginAccount(initial_margin=0.6)),
    (
        '[execution]\nsized_at = "decision"\nwhole_shares = true\nparticipation = 0.1',
        ExecutionPolicy(sized_at="decision", whole_shares=True, participation=0.1),
    ),
    (
        '[levels]\nbase = "quote"\ntrail_by = "close"\nslips = false',
        LevelPolicy(base="quote", trail_by="close", slips=False),
    ),
    (
        "[actions]\nreinvest_dividends = true\ndelisting_return = -0.3",
        ActionPolicy(reinvest_dividends=True, delisting_return=-0.3),
    ),
    ("[market]\nmin_holding = 1", MarketRules(min_holding=1)),
    (
        '[currencies]\naccount = "USD"\ncash = "held"\nconversion_cost = 0.00002\n'
        'interest = [{ currency = "EUR", credit_rate = 0.02, day_count = "actual/360" }]',
        Currencies(
            account="USD", cash="held", conversion_cost=0.00002,
            interest=(CurrencyRates(currency="EUR", credit_rate=0.02, day_count="actual/360"),),
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("table", "expected"), COSTS)
def test_a_table_of_settings_builds_what_python_would(
    folder: Path, table: str, expected: object
) -> None:
    name = table[1 : table.index("]")]
    assert config(folder, table) == replace(BacktestConfig(), **{name: expected})


def test_every_class_of_settings_has_such_a_table() -> None:
    known = {name for family in SETTINGS.values() for name in family.classes}
    assert {type(expected).__name__ for _, expected in COSTS} == known


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('timing = "NextOpen"', NextOpen()),
        ('timing = "ThisClose"', ThisClose()),
        ('timing = { kind = "NextClose" }', NextClose()),
        ('timing = "VolumeWeighted"', VolumeWeighted()),
        ('timing = { kind = "VolumeWeighted", vwap = "vw" }', VolumeWeighted("vw")),
    ],
)
def test_a_timing_is_a_word_or_a_table(folder: Path, said: str, expected: object) -> None:
    assert config(folder, f"[execution]\n{said}").execution.timing == expected
    assert type(expected).__name__ in TIMINGS.classes


RULE_TABLES: list[tuple[str, Any]] = [
    ('rule = "StopLoss"\nfraction = 0.05\npriority = 7', StopLoss(0.05, priority=7)),
    ('rule = "TakeProfit"\nfraction = 0.1', TakeProfit(0.1)),
    ('rule = "TrailingStop"\namount = 1.5', TrailingStop(amount=1.5)),
    (
        'rule = "DynamicTrailingStop"\ninitial_trail_pct = 0.05\n'
        "schedule = [[0.1, 0.03], [0.2, 0.02]]",
        DynamicTrailingStop(0.05, schedule=((0.1, 0.03), (0.2, 0.02))),
    ),
    ('rule = "VolatilityScaledStopLoss"\natr_multiplier = 2', VolatilityScaledStopLoss(2)),
    (
        'rule = "IsolatedMargin"\ninitial_margin = 0.1\nmaintenance_margin = 0.005',
        IsolatedMargin(0.1, 0.005),
    ),
    (
        'rule = "VolatilityTrailingStop"\nvolatility_key = "atr_20"',
        VolatilityTrailingStop(volatility_key="atr_20"),
    ),
    ('rule = "BreakevenStop"\ntrigger = 0.05\noffset = 0.01', BreakevenStop(0.05, 0.01)),
    ('rule = "TimeBasedExit"\nmax_bars = 60', TimeBasedExit(60)),
    ('rule = "ScaledExit"\nsteps = [[0.1, 0.5], [0.2, 0.5]]', ScaledExit(((0.1, 0.5), (0.2, 0.5)))),
    (
        'rule = "SignalExit"\ncondition = "ml_score < 0"\nfeatures = ["ml_score"]',
        SignalExit("ml_score < 0", features=("ml_score",)),
    ),
    (
        'rule = "AnyOf"\nrules = [{ rule = "StopLoss", fraction = 0.1 }, { rule = "AllOf", '
        'rules = [{ rule = "TimeBasedExit", max_bars = 5 }, '
        '{ rule = "TakeProfit", fraction = 0.02 }] }]',
        AnyOf([StopLoss(0.1), AllOf([TimeBasedExit(5), TakeProfit(0.02)])]),
    ),
    (
        'rule = "AllOf"\n[[risk.rules]]\nrule = "TimeBasedExit"\nmax_bars = 5',
        AllOf([TimeBasedExit(5)]),
    ),
]  # fmt: skip
LIMIT_TABLES: list[tuple[str, Any]] = [
    ('limit = "MaxPositions"\nn = 20', MaxPositions(20)),
    ('limit = "MaxWeight"\nfraction = 0.1', MaxWeight(0.1)),
    (
        'limit = "MaxGroupWeight"\nfraction = 0.3\ngroup = "industry"',
        MaxGroupWeight(0.3, "industry"),
    ),
    ('limit = "MaxGrossExposure"\nfraction = 1.5', MaxGrossExposure(1.5)),
    ('limit = "MaxNetExposure"\nfraction = 0', MaxNetExposure(0)),
    ('limit = "MaxTurnover"\nfraction = 0.2', MaxTurnover(0.2)),
    (
        'limit = "MaxDrawdown"\nfraction = 0.2\naction = "reduce"\nscale = 0.3\nresume_after = 20',
        MaxDrawdown(0.2, action="reduce", scale=0.3, resume_after=20),
    ),
    ('limit = "MaxDailyLoss"\nfraction = 0.02', MaxDailyLoss(0.02)),
    ('limit = "VolatilityTarget"\nannual = 0.1\nmax_scale = 2', VolatilityTarget(0.1, max_scale=2)),
    ('limit = "MaxVaR"\nfraction = 0.02\nconfidence = 0.99', MaxVaR(0.02, confidence=0.99)),
]  # fmt: skip


@pytest.mark.parametrize(("table", "expected"), RULE_TABLES)
def test_a_risk_table_builds_what_python_would(folder: Path, table: str, expected: object) -> None:
    assert engine(folder, f"[[risk]]\n{table}").risk_manager.rules == [expected]


@pytest.mark.parametrize(("table", "expected"), LIMIT_TABLES)
def test_a_limit_table_builds_what_python_would(folder: Path, table: str, expected: object) -> None:
    assert engine(folder, f"[[limit]]\n{table}").risk_manager.limits == [expected]


def test_every_rule_and_limit_has_such_a_table() -> None:
    assert {type(expected).__name__ for _, expected in RULE_TABLES} == set(RULES.classes)
    assert {type(expected).__name__ for _, expected in LIMIT_TABLES} == set(LIMITS.classes)


def test_rules_and_limits_keep_the_order_of_their_tables(folder: Path) -> None:
    rules = "".join(f"[[risk]]\n{table}\n" for table, _ in RULE_TABLES[:3])
    limits = "".join(f"[[limit]]\n{table}\n" for table, _ in LIMIT_TABLES[:3])
    manager = engine(folder, rules + limits).risk_manager
    assert manager.rule_names == ("StopLoss", "TakeProfit", "TrailingStop")
    assert manager.limit_names == ("MaxPositions", "MaxWeight", "MaxGroupWeight")


def test_the_example_of_the_documentation_is_one_that_builds(folder: Path) -> None:
    example = dedent(runfile.__doc__.split("::\n\n")[1].split("\n\nOnly")[0])
    built = engine_of(written(folder, HEAD + example[example.index("[[risk]]") :]))
    assert built.risk_manager.rule_names == ("StopLoss", "AllOf")
    assert built.risk_manager.limit_names == ("MaxGroupWeight",)
    assert built.config == BacktestConfig.preset(
        "realistic",
        commission=PerShareCommission(0.005, minimum=1.0, cap=0.01),
        execution=ExecutionPolicy(timing=NextClose(), whole_shares=True, participation=0.1),
    )


# -- presets --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_the_one_of_python(folder: Path, name: str) -> None:
    assert config(folder, f'[run]\npreset = "{name}"') == BacktestConfig.preset(name)


@pytest.mark.parametrize("name", PRESETS)
def test_the_tables_that_a_preset_prints_give_it_back(folder: Path, name: str) -> None:
    preset = BacktestConfig.preset(name)
    assert config(folder, settings_text(preset)) == preset
    # Whatever the tables stand on: they name every field.
    assert config(folder, f'[run]\npreset = "realistic"\n{settings_text(preset)}') == preset


def test_a_table_of_the_same_kind_changes_only_what_it_names(folder: Path) -> None:
    preset = BacktestConfig.preset("zipline")
    changed = config(folder, '[run]\npreset = "zipline"\n[execution]\nparticipation = 0.025')
    assert changed == replace(preset, execution=replace(preset.execution, participation=0.025))


def test_a_table_of_another_kind_starts_from_the_defaults_of_its_class(folder: Path) -> None:
    changed = config(folder, '[run]\npreset = "vectorbt"\n[account]\nkind = "MarginAccount"')
    assert changed == BacktestConfig.preset("vectorbt", account=MarginAccount())


def test_none_takes_away_what_a_preset_has(folder: Path) -> None:
    none = (
        '[impact]\nkind = "none"\n[execution]\nparticipation = "none"\n[commission]\ncap = "none"'
    )
    changed = config(folder, f'[run]\npreset = "realistic"\n{none}')
    assert (changed.impact, changed.execution.participation) == (None, None)
    assert changed.commission == PerShareCommission(0.005, minimum=1.0)


# -- sources --------------------------------------------------------------------------------


def test_a_second_features_source_has_a_name_and_a_role(folder: Path) -> None:
    more = '[sources.more]\nrole = "features"\npath = "features.parquet"\nlag = "1 day"\n[strategy]'
    text = HEAD.replace('[sources.features]\npath = ["features.parquet"]\n', "")
    path = written(folder, text.replace("[strategy]", more))
    assert isinstance(catalog_of(path), Catalog)
    first = "select ml_score is null from signals order by timestamp, asset_id limit 1"
    assert catalog_of(path).sql(first).fetchall() == [(True,)]


def test_actions_assets_and_borrow_are_sources_like_any_other(folder: Path) -> None:
    catalog = catalog_of(written(folder, HEAD))
    for role, query in {
        "actions": "select 'S0000' as asset_id, date '2020-02-03' as ex_date, 'split' as kind, "
        "2.0 as value",
        "assets": "select 'S0000' as asset_id, 'tech' as sector, 100 as lot_size",
        "borrow": "select date '2020-01-02' as timestamp, 'S0000' as asset_id, 0.01 as fee",
    }.items():
        catalog.sql(query).pl().write_parquet(folder / f"{role}.parquet")
    sources = "".join(
        f'[sources.{role}]\npath = "{role}.parquet"\n' for role in ("actions", "assets", "borrow")
    )
    limit = '[[limit]]\nlimit = "MaxGroupWeight"\nfraction = 0.5'
    built = engine(folder, sources + limit)
    assert [(one.kind, one.value) for one in built.catalog.actions()] == [("split", 2.0)]
    assert built.catalog.instruments().lot_size.max() == 100
    assert built.run()["n_bars"] == 80


def test_threads_and_memory_are_those_of_the_catalog(folder: Path) -> None:
    path = written(folder, HEAD + '[run]\nthreads = 1\nmemory_limit = "1GB"')
    assert catalog_of(path).sql("select current_setting('threads')").fetchall() == [(1,)]


# -- mistakes -------------------------------------------------------------------------------

FULL = (
    HEAD
    + """
[[risk]]
rule = "AnyOf"
rules = [
    { rule = "StopLoss", fraction = 0.05 },
    { rule = "SignalExit", condition = "ml_score < 0" },
]

[[risk]]
rule = "DynamicTrailingStop"
initial_trail_pct = 0.05
schedule = [[0.10, 0.03], [0.20, 0.02]]

[[limit]]
limit = "MaxDrawdown"
fraction = 0.2
action = "halt"

[run]
initial_capital = 50_000
preset = "default"
slippage_bps = 2.5

[commission]
kind = "PerShareCommission"
per_share = 0.005
minimum = 1.0

[account]
shortfall = "scale"
shorting = false

[execution]
timing = "NextOpen"
participation = 0.1
"""
)


def test_the_file_in_which_the_mistakes_are_made_is_right(folder: Path) -> None:
    assert engine_of(written(folder, FULL)).risk_manager.rule_names == (
        "AnyOf", "DynamicTrailingStop",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[account]", "[acount]", "the run file has the unknown table 'acount'; did you mean 'acc"),
        ("[sources.prices]", "[sources.price]", r"has no table \[sources.prices\]"),
        ("[sources.context]", "[sources.contxt]", "unknown role 'contxt'; did you mean 'context'"),
        ("path =", "paht =", "unknown key 'paht'; did you mean 'path'"),
        ('path = "prices.parquet"', "", r"\[sources.prices\] has no path"),
        ('path = "prices.parquet"', "path = 3", "path must be a text, was 3"),
        ("[strategy]", "[run]", "is no TOML"),
        ('kind = "TopN"', 'kind = "topn"', "unknown kind 'topn'; did you mean 'TopN'"),
        ('kind = "TopN"', "", "has no kind; known: SQLStrategy, TopN"),
        ("every = 5", "evry = 5", "unknown key 'evry'; did you mean 'every'"),
        ("n = 5\n", "", "has no n$"),
        ("n = 5\n", 'n = "5"\n', "n must be a whole number of at least 1, was '5'; or a share"),
        ("n = 5\n", "n = 0\n", "n must be a whole number of at least 1, was 0"),
        (
            '{ rule = "StopLoss", f',
            '{ rule = "StopLos", f',
            r"\[\[risk\]\] number 1 AnyOf rules number 1 has the unknown rule 'StopLos'; "
            "did you mean 'StopLoss'",
        ),
        ('rule = "StopLoss", ', "", "rules number 1 has no rule; known: AllOf, AnyOf, Break"),
        ('{ rule = "StopLoss", fraction = 0.05 }', "0.05", "number 1 must be a table, was 0.05"),
        (
            "fraction = 0.05",
            "fraction = 5",
            "rules number 1 StopLoss: fraction must be a number above 0 and below 1, was 5",
        ),
        ("fraction = 0.05", 'fraction = "5%"', "StopLoss fraction must be a number, was '5%'"),
        ("fraction = 0.05", "fraction = true", "StopLoss fraction must be a number, was True"),
        ("fraction = 0.05", "fracton = 0.05", "unknown key 'fracton'; did you mean 'fraction'"),
        ('condition = "ml_score < 0"', "condition = 1", "condition must be a text, was 1"),
        (', condition = "ml_score < 0"', "", "SignalExit has no condition"),
        ("initial_trail_pct = 0.05", "initial_trail_pct = 5", "number above 0 and below 1, was 5"),
        ("[0.10, 0.03]", "[0.10]", r"schedule number 1 must be a list of 2, was \[0.1\]"),
        ("[0.10, 0.03]", '[0.10, "x"]', "schedule number 1 number 2 must be a number, was 'x'"),
        ("[[0.10, 0.03], [0.20, 0.02]]", "0.1", "schedule must be a list, was 0.1"),
        ("[[limit]]", "[limit]", r"limit must be a list of tables, was .+; write \[\[limit\]\]"),
        ('"MaxDrawdown"', '"MaxDrawDown"', "unknown limit 'MaxDrawDown'; did you mean 'MaxDrawdo"),
        ('action = "halt"', 'action = "hlt"', "MaxDrawdown: action must be one of .*'halt'"),
        ("50_000", "-1", "initial_capital must be a number above 0"),
        ("50_000", '"50k"', r"\[run\] initial_capital must be a number, was '50k'"),
        ('preset = "default"', 'preset = "backtrade"', "did you mean 'backtrader'"),
        ("slippage_bps", "slipage_bps", "did you mean 'slippage_bps'"),
        ("slippage_bps = 2.5", "slippage_bps = -1", r"\[run\] slippage_bps .*: .* from 0 to below"),
        ("slippage_bps", "commission_bps", r"commission_bps and \[commission\] say the same; keep"),
        ('"PerShareCommission"', '"PerShare"', "did you mean 'PerShareCommission'"),
        ('kind = "PerShareCommission"', "", "unknown key 'per_share'; known: basis_points"),
        ("per_share = 0.005", "", "PerShareCommission has no per_share"),
        ("minimum = 1.0", 'minimum = "none"', "minimum must be a number, was 'none'"),
        ("minimum = 1.0", "minimum = -1.0", "PerShareCommission: minimum must be a number from 0"),
        ('shortfall = "scale"', 'shortfall = "scal"', "shortfall must be one of .* mean 'scale'"),
        ('shortfall = "scale"', "reserve_costs = true", "unknown key 'reserve_costs'; known: "),
        ("shorting = false", "shorting = 0", "shorting must be true or false, was 0"),
        ('timing = "NextOpen"', 'timing = "Open"', "timing has the unknown kind 'Open'; did you"),
        ('timing = "NextOpen"', "timing = 1", r"\[execution\] timing must be a table, was 1"),
        ("participation = 0.1", "participation = 2", "participation must be a number above 0"),
        ("participation = 0.1", "participation = true", "must be a number, was True"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_run_file_names_the_place_and_the_way_out(
    folder: Path, old: str, new: str, message: str
) -> None:
    assert old in FULL
    with pytest.raises(ConfigError, match=message):
        engine_of(written(folder, FULL.replace(old, new, 1)))


def test_a_run_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no run file at '.*none\.toml'"):
        engine_of(tmp_path / "none.toml")


@pytest.mark.parametrize("path", [5, None, b"x", " ", "a\0b", "~no-such-user/r.toml", "x" * 300])
def test_a_path_of_no_run_file_is_refused_in_words(path: Any) -> None:
    for read in (catalog_of, engine_of):
        with pytest.raises(
            ConfigError, match=r"path must be|path is '~no-such|there is no run file"
        ):
            read(path)


def test_a_path_may_begin_at_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "runs").mkdir()
    pl.DataFrame(
        {"timestamp": [date(2024, 1, 2)], "asset_id": ["A"], "close": [1.5]}
    ).write_parquet(tmp_path / "prices.parquet")
    text = '[sources.prices]\npath = "~/prices.parquet"\n'
    (tmp_path / "runs" / "run.toml").write_text(text, encoding="utf-8")
    assert catalog_of("~/runs/run.toml").sql("select close from prices").fetchall() == [(1.5,)]
