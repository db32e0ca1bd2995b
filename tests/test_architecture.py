"""Borders: who imports whom, what an import loads, and SQL that keeps its house form."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache

import sqlglot
from sqlglot.tokens import TokenType

from ml4t.backtest.data.sources.checks import checks_for
from ml4t.backtest.data.sources.roles import ROLES
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.page.profile_figures import PROFILE_FIGURES
from ml4t.backtest.results.report.views import VIEWS
from ml4t.backtest.results.tables import TABLES
from source_files import PACKAGE, ROOT, modules, sql_files, statement

NAME = "ml4t.backtest"
# What each part may import beside itself: only parts that stand above it here, and of those only
# the ones named. `data` and `results` are the SQL side, the five from `portfolio` to `strategies`
# the money side; `running` is where they meet.
LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "version": set(),
    "lazy": set(),
    "core": {"errors"},
    "synthetic": {"core", "errors"},
    "scenarios": {"core", "errors"},
    "testing": {"scenarios"},
    "data": {"core", "errors", "lazy", "version"},
    "vendors": {"core", "data", "errors", "lazy"},
    "results": {"core", "data", "errors", "lazy"},
    "portfolio": {"core", "errors"},
    "risk": {"core", "errors", "lazy"},
    "execution": {"core", "errors", "lazy", "portfolio"},
    "strategy": {"core", "errors", "execution", "portfolio", "risk"},
    "strategies": {"core", "data", "errors", "execution", "lazy", "strategy"},
    "market_presets": {"execution"},
    "presets": {"core", "errors", "execution", "market_presets"},
    "config": {"core", "errors", "execution", "presets"},
    "session": {"config", "core", "errors", "execution", "portfolio", "risk", "strategy"},
    "visit": {"core", "session", "strategy"},
    "walk": {"core", "visit"},
    "pauses": {"core", "session", "strategy", "visit"},
    "progress": {"errors"},
    "interpreter": set(),
    "planning": {"config", "core", "data", "errors", "risk", "strategy"},
    "settings": {"config", "core", "data", "errors", "risk", "strategy"},
    "walking": {"config", "core", "data", "errors", "pauses", "results", "risk", "session",
                "strategy", "visit", "walk"},
    "running": {"core", "data", "pauses", "planning", "progress", "results", "settings", "strategy",
                "version", "walking"},
    "audit": {"config", "core", "data", "errors", "execution", "lazy", "pauses", "progress",
              "results", "risk", "running", "version", "walking"},
    "engine": {"audit", "config", "data", "errors", "interpreter", "planning", "progress",
               "results", "risk", "running", "settings", "strategy", "walking"},
    "sweep": {"core", "data", "engine", "errors", "interpreter", "lazy", "planning", "progress",
              "results", "risk", "running", "session", "strategy", "version", "walking"},
    "__init__": {"audit", "config", "core", "data", "engine", "errors", "execution", "lazy",
                 "results", "strategies", "strategy", "sweep", "version"},
    "demo": {"data", "engine", "progress", "results", "risk", "strategies", "synthetic"},
    "runfile_tables": {"config", "core", "errors", "execution", "risk"},
    "runfile_sources": {"data", "errors", "runfile_tables", "vendors"},
    "runfile": {"config", "core", "data", "engine", "errors", "risk", "runfile_sources",
                "runfile_tables", "strategies", "strategy"},
    "cli": {"audit", "config", "data", "demo", "errors", "presets", "progress", "results",
            "runfile", "runfile_tables", "version"},
    "__main__": {"cli"},
}  # fmt: skip
LOADS_PARSER = {
    f"data.user_sql.{name}"
    for name in ("enclosing", "functions", "parsed", "queries", "scopes", "total_order")
}
LOADS_PARSER |= {
    f"data.portable.{name}" for name in ("dialects", "expressions", "numbers", "selection")
}
# Rooms and modules of the execution: each imports of the others only what stands before it.
EXECUTION = (
    "timing", "policy", "market_rules", "costs", "orders", "price_limits", "pricing", "executor",
    "account", "pending", "intrabar", "broker", "hand_loop", "__init__",
)  # fmt: skip


def imports(nodes: list[ast.AST]) -> set[str]:
    """Absolute names of what the nodes import; `from a import b` counts as a and as a.b."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@cache
def ours(module: str) -> set[str]:
    """Modules of the package that `module` imports anywhere, such as ``data.database``."""
    known = set(modules()) | {name.removesuffix(".__init__") for name in modules()}
    found = {
        name.removeprefix(f"{NAME}.")
        for name in imports(list(ast.walk(modules()[module])))
        if name.startswith(f"{NAME}.")
    }
    return {name for name in found if name in known}


def part(module: str) -> str:
    """The first part of a module's name: its package, or the module itself."""
    return module.split(".")[0]


def of_part(name: str) -> list[str]:
    """Return the modules of one part; there are some."""
    found = [module for module in modules() if part(module) == name]
    assert found, name
    return found


def at_module_level(tree: ast.Module) -> list[ast.AST]:
    """Statements that run on import: no function bodies, nothing under TYPE_CHECKING."""
    found: list[ast.AST] = []
    todo: list[ast.AST] = [tree]
    while todo:
        for node in ast.iter_child_nodes(todo.pop()):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            found.append(node)
            todo.append(node)
    return found


# -- borders --------------------------------------------------------------------------------


def test_the_package_is_there_to_be_read() -> None:
    assert {"engine", "errors", "config", "data.database", "execution.broker"} <= set(modules())
    assert ours("engine") >= {"config", "data.feeds.feed", "running"}
    assert ours("running") >= {"results.store", "walking"}
    assert ours("session") >= {"execution.broker", "portfolio.portfolio", "risk.rule_engine.engine"}
    assert len(sql_files()) > 30


def test_every_part_of_the_package_has_a_layer() -> None:
    assert {part(name) for name in modules()} == set(LAYERS)


def test_a_layer_names_only_layers_above_it() -> None:
    order = list(LAYERS)
    for name, allowed in LAYERS.items():
        assert allowed <= set(order[: order.index(name)]), name


def test_a_module_imports_what_its_layer_allows_and_nothing_else() -> None:
    for module in modules():
        assert {part(name) for name in ours(module)} <= LAYERS[part(module)] | {part(module)}, (
            module
        )


def test_results_use_the_database_and_the_queries_of_the_data_side_alone() -> None:
    for module in of_part("results"):
        used = {name for name in ours(module) if part(name) == "data"}
        assert used <= {
            "data",
            "data.database",
            "data.packages",
            "data.sql_each",
            "data.sql_files",
            "data.timezones",
        }, module


def test_strategies_use_the_queries_of_the_data_side_alone() -> None:
    for module in of_part("strategies"):
        assert {name for name in ours(module) if part(name) == "data"} <= {
            "data",
            "data.sql_files",
        }, module


def test_every_room_of_the_execution_has_a_place_in_their_order() -> None:
    assert {name.split(".")[1] for name in modules() if part(name) == "execution"} == set(EXECUTION)


def test_a_room_of_the_execution_imports_no_later_one() -> None:
    for module in of_part("execution"):
        room = module.split(".")[1]
        used = {
            f"{name}.__init__".split(".")[1] for name in ours(module) if part(name) == "execution"
        }
        assert used <= set(EXECUTION[: EXECUTION.index(room) + 1]), module


def test_no_module_imports_what_imports_it() -> None:
    """Nor for its types alone: a circle of modules can only be read whole."""
    files = {name.removesuffix(".__init__"): name for name in modules()}
    left = {module: {files[name] for name in ours(module)} - {module} for module in modules()}
    while ready := [module for module, used in left.items() if not used & set(left)]:
        for module in ready:
            del left[module]
    assert left == {}


def test_duckdb_is_imported_in_data_database_alone() -> None:
    users = {
        module
        for module, tree in modules().items()
        if "duckdb" in {name.split(".")[0] for name in imports(list(ast.walk(tree)))}
    }
    assert users == {"data.database"}


@cache
def loaded_by_a_run() -> frozenset[str]:
    """Modules of the package that a plain run from Parquet loads, and other packages' own."""
    code = """
import os, sys, tempfile
from ml4t.backtest import BacktestEngine, Catalog, TopN
from ml4t.backtest.data.database import Database
os.chdir(tempfile.mkdtemp())
Database().execute("copy (select timestamp '2024-01-01' + interval (t) day as timestamp, "
    "'A' || a as asset_id, 10.0 + a + t as open, 10.5 + a + t as close, nullif(a * t, 2) as score "
    "from range(9) as x(t), range(3) as y(a)) to 'bars.parquet'")
catalog = Catalog().register("prices", "bars.parquet")
strategy = TopN(2, by="score", where="close > 1", when="true", every=3)  # at the last bar, too
result = BacktestEngine(catalog, strategy).run()
assert result.sql("select count(*) from fills").fetchall()[0][0] > 2
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return frozenset(name.removeprefix(f"{NAME}.") for name in done.stdout.split())


def test_an_import_waits_inside_a_function_for_a_run_or_what_one_can_do_without() -> None:
    """To dodge a cycle it need not: there is none, wherever an import stands."""
    for module, tree in modules().items():
        inside = [
            node
            for function in ast.walk(tree)
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
            for node in ast.walk(function)
        ]
        waiting = {
            name.removeprefix(f"{NAME}.") for name in imports(inside) if name.startswith(NAME)
        }
        found = {name for name in waiting if name in modules()}
        # All that a run is made of waits for the first one.
        assert found & loaded_by_a_run() <= {"planning", "running", "walking"}, module


def test_a_run_loads_nothing_that_shows_keeps_or_diagnoses_one() -> None:
    rooms = ("cli", "data.calendars.exchange", "data.diagnostics.factor", "data.explaining",
             "data.feeds.feed", "data.indicators", "data.sources.shapes.shaping",
             "execution.hand_loop", "results.keeping", "results.page", "results.plot",
             "results.run_store.store", "results.summary", "vendors")  # fmt: skip
    loaded = loaded_by_a_run()
    assert {"running", "data.catalog", "results.result", "strategies.top_n"} <= loaded
    assert {room for room in rooms if any(name.startswith(room) for name in loaded)} == set()
    assert loaded & {"pandas", "polars", "pyarrow", "rich", "sqlglot", "typer"} == set()


def test_a_run_over_missing_values_makes_no_masked_arrays() -> None:
    """NumPy loads them when asked for one, for longer than a small run takes to decide."""
    assert "numpy.ma" not in loaded_by_a_run()


def test_frames_and_terminals_are_not_imported_at_module_level() -> None:
    for module, tree in modules().items():
        heavy = {"pandas", "polars", "pyarrow", "rich", "sqlglot", "typer"}
        if module in LOADS_PARSER:
            heavy -= {"sqlglot"}
        if part(module) in ("cli", "__main__"):
            heavy -= {"rich", "typer"}
        loaded = {name.split(".")[0] for name in imports(at_module_level(tree))}
        assert loaded & heavy == set(), module


def test_importing_what_every_run_names_loads_no_frame_library_no_terminal_and_no_run() -> None:
    code = (
        f"import sys; from {NAME} import BacktestEngine, Catalog, TopN; "
        "heavy = {'pandas', 'polars', 'pyarrow', 'rich', 'sqlglot', 'typer', 'numpy.random'}; "
        f"heavy |= {{'{NAME}.' + name for name in "
        "('running', 'data.stream.reader', 'execution.broker', 'results.result', 'session')}; "
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_a_rule_is_loaded_when_it_is_named() -> None:
    code = (
        f"import {NAME}.risk as risk, sys; "
        f"before = '{NAME}.risk.limits.account' in sys.modules; "
        "found = [getattr(risk, name).__name__ for name in risk.__all__]; "
        f"print(before, found == risk.__all__, '{NAME}.risk.limits.account' in sys.modules, "
        "set(risk.__all__) <= set(dir(risk)), hasattr(risk, 'NoRule'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True", "True", "False"]


def test_ml4t_is_a_namespace_package() -> None:
    assert not (ROOT / "src" / "ml4t" / "__init__.py").exists()
    assert (PACKAGE / "py.typed").exists()


# -- SQL ------------------------------------------------------------------------------------


def test_an_sql_file_begins_with_grain_reads_and_params() -> None:
    for name, text in sql_files().items():
        heads = [line.split(":")[0] + ":" for line in text.splitlines()[:3]]
        assert heads == ["-- grain:", "-- reads:", "-- params:"], name
        values = [line.split(":", 1)[1].strip() for line in text.splitlines()[:3]]
        assert all(values), name


def test_an_sql_file_holds_one_statement() -> None:
    for name, text in sql_files().items():
        tokens = sqlglot.tokenize(statement(text), read="duckdb")
        assert tokens, name
        # A place for columns (`:name`) is no token trouble; a semicolon in a string is no end.
        assert [token.text for token in tokens if token.token_type is TokenType.SEMICOLON] == [], (
            name
        )


def test_an_sql_file_names_every_value_and_every_place_that_it_takes() -> None:
    for name, text in sql_files().items():
        # A head that does not fit into its line goes on, indented, in the next.
        _, reads, params = re.sub(r"\n--  +", " ", text).splitlines()[:3]
        code = statement(text)
        values = set(re.findall(r"\$([a-z_]+)", code))
        places = set(re.findall(r"(?<![:\w]):([a-z_]+)", code))
        if "facts of the run" in params:  # results/runs.sql: one value per column
            values &= {"run_id"}
        assert values <= set(re.findall(r"\$([a-z_]+)", params)), name
        # A place for a relation may stand under `reads`.
        assert places <= set(re.findall(r":([a-z_]+)", f"{reads.split(':', 1)[1]} {params}")), name


def texts(tree: ast.Module) -> set[str]:
    """Every whole string constant of a module."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def folders_read(tree: ast.Module) -> set[str]:
    """Folders of which a module reads files by a name put together: ``read(f"folder/{stem}")``."""
    return {
        call.args[0].values[0].value.rstrip("/")
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("read", "render")
        and isinstance(call.args[0], ast.JoinedStr)
        and isinstance(call.args[0].values[0], ast.Constant)
    }


def test_every_sql_file_is_read_by_some_module() -> None:
    read = [(texts(tree), folders_read(tree)) for tree in modules().values()]
    # Those of checks, result tables and views are named by what is declared; see below.
    named = {table.statement for table in TABLES.values()} | {f"report/{name}" for name in VIEWS}
    named |= {f"page/{name}" for name in FIGURES}
    named |= {f"profile_page/{name}" for name in PROFILE_FIGURES}
    parts = {
        name: name.split("/")
        for name in sql_files()
        if not name.startswith("checks/") and name not in named
    }
    assert parts
    assert {
        name for name, (folder, stem) in parts.items()
        if not any(name in said or (folder in folders and stem in said) for said, folders in read)
    } == set()  # fmt: skip


def test_every_check_applies_to_some_source_and_has_a_way_out() -> None:
    applied = {
        check.rule
        for role in ROLES
        for clock in (None, "published_at")
        for check in checks_for(
            Source(role=role, name=role, given=None, available_at=clock),
            dict.fromkeys((*ROLES[role].required, *ROLES[role].optional), "DOUBLE"),
        )
    }
    stems = {name.split("/")[1] for name in sql_files() if name.startswith("checks/")}
    assert applied == stems
    checks = [check for role in ROLES.values() for check in role.checks]
    assert {check.rule for check in checks} == stems
    assert all(check.text.startswith("has ") for check in checks)
    # A rule is one check, whichever roles it is of.
    assert len(set(checks)) == len(stems)


def test_every_statement_on_results_is_that_of_a_declared_table() -> None:
    found = {name for name in sql_files() if name.startswith("results/")}
    assert found == {table.statement for table in TABLES.values()} | {"results/table"}


def test_every_view_of_a_result_is_a_file_and_stands_after_those_that_it_reads() -> None:
    assert {f"report/{name}" for name in VIEWS} == {
        x for x in sql_files() if x.startswith("report/")
    }
    order = list(VIEWS)
    assert not set(order) & set(TABLES)
    for name, view in VIEWS.items():
        assert set(view.reads) <= set(order[: order.index(name)]), name
        code = statement(sql_files()[f"report/{name}"])
        # Without a schema it would be looked for in the caller's database, where the file is
        # attached: a view sees its own schema alone.
        assert not re.search(rf"\b(from|join)\s+({'|'.join(TABLES)})\b", code), name


# A statement, or a clause of one, by how it begins; a message says so in the middle.
IS_SQL = re.compile(
    r"[\s(,]*(select (?!from it)|(create|drop|insert|attach|detach|copy|describe|explain) |"
    r"set \w+ |begin transaction|commit$|checkpoint|with \w+ as|union all|"
    r"((asof )?(left|inner|cross|anti|semi) )?join |case when |when not |"
    r"qualify |order by |group by |where |from (\w+\.|\())"
)
# Where SQL may stand in Python: what composes it, what sets up a session, and what reads and
# completes the text of a user, which is parsed there and not run.
COMPOSERS = {"data.sql_files", "data.sql_each", "data.database", "data.user_sql.parsed",
             "data.user_sql.total_order"}  # fmt: skip


def strings(tree: ast.Module) -> list[str]:
    """Every string of a module that is no docstring; what an f-string fills in is ``{}``."""
    skipped: set[ast.AST] = set()
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.JoinedStr):
            skipped.update(node.values)
            parts = (
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
            found.append("".join(parts))
        elif isinstance(node, ast.Constant) and node not in skipped:
            found += [node.value] if isinstance(node.value, str) else []
    return found


def test_sql_stands_in_files_and_is_composed_in_one_module() -> None:
    found = {
        module: [text for text in strings(tree) if IS_SQL.match(text)]
        for module, tree in modules().items()
    }
    assert {name: texts for name, texts in found.items() if texts and name not in COMPOSERS} == {}
    assert all(found[name] for name in COMPOSERS)
