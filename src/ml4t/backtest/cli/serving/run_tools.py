"""RunTools: what a program may ask of served runs, with limits; it knows no protocol."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml4t.backtest.cli.comparing import comparison
from ml4t.backtest.cli.output import document_text, jsonable, run_json
from ml4t.backtest.cli.serving.served import Served
from ml4t.backtest.data.sql_files import grain, literal, render
from ml4t.backtest.errors import ConfigError, ResultError, did_you_mean, require_whole
from ml4t.backtest.results.limited import LimitedRows, limited_rows
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.report.views import VIEWS
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.tables import TABLES

ToolAnswer = dict[str, Any]
N_LISTED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one answer may be, and how long it may take.

    Attributes
    ----------
    rows : int
        Of one answer.
    characters : int
        Of one answer as JSON.
    query_seconds, run_seconds : float
        Of one query; of one run or preview.
    """

    rows: int = 1_000
    characters: int = 200_000
    query_seconds: float = 20.0
    run_seconds: float = 300.0


class RunTools:
    """The tools; each has its description as docstring, and answers what JSON knows.

    Parameters
    ----------
    served : Served
    folder : Path, optional
        Where the run files are that may be run and previewed; none are without it.
    """

    def __init__(
        self, served: Served, folder: Path | None = None, limits: Limits | None = None
    ) -> None:
        self._served, self._limits = served, limits or Limits()
        self._folder = None if folder is None else folder.resolve()
        if self._folder is not None and not self._folder.is_dir():
            raise ConfigError(f"there is no folder at '{folder}'; --folder is that of run files")

    def tools(self) -> list[Callable[..., ToolAnswer]]:
        """Return what is offered."""
        offered: list[Callable[..., ToolAnswer]] = [self.describe, self.sql, self.compare]
        if self._folder is not None:
            offered += [self.run, self.preview, self.inspect]
        return offered

    def describe(self, name: str = "") -> ToolAnswer:
        """Say what there is: runs with their ids, tables, views, figures, run files, and limits.

        With the `name` of a table or view its columns, with types, units and meaning; with that of
        a figure its columns and the query to start from. Begin here.
        """
        if not name:
            return self._all()
        known = [*TABLES, *VIEWS, *FIGURES]
        if name in FIGURES and name not in TABLES:
            figure = FIGURES[name]
            columns = [{"column": one.column, "label": one.label} for one in figure.columns]
            return {
                "name": name, "title": figure.title, "meaning": figure.meaning,
                "grain": figure.grain, "query": figure.query, "columns": columns,
            }  # fmt: skip
        if name not in known:
            raise ResultError(f"there is nothing called {name!r}{did_you_mean(name, known)}")
        ids = self._served.ids()
        if not ids:
            raise ResultError(f"the store '{self._served.path}' holds no run yet")
        any_run = self._served.run(ids[0])
        rows = any_run.sql(render("saved/described", table=literal(name))).fetchall()
        keys = ("column", "type", "meaning")
        place = name if name in TABLES else VIEWS[name].place
        columns = [dict(zip(keys, row, strict=True)) for row in rows]
        return {"name": name, "read_as": place, "columns": columns}

    def sql(self, query: str, run_id: str = "", limit: int = 100) -> ToolAnswer:
        """Ask one read-only query in DuckDB SQL over the tables and views of a run.

        Of a store without `run_id`: over the tables of all runs, each row with its run_id, and
        `metrics`, a row per run. At most `limit` rows come back; `has_more` says whether there are
        more. Sum up in SQL rather than asking for many rows.
        """
        reader = self._served.reader_of(query, run_id or None)
        most = require_whole("limit", limit, least=1, most=self._limits.rows)
        seconds = self._limits.query_seconds
        return self._checked(_document(limited_rows(reader, query, most=most, seconds=seconds)))

    def compare(self, run_ids: list[str]) -> ToolAnswer:
        """Set the metrics of two runs or more side by side, and the settings that differ."""
        if len(set(run_ids)) < 2:
            raise ResultError("compare takes the ids of two runs or more; describe lists them")
        return self._checked(comparison({one: self._served.run(one) for one in run_ids}))

    def run(self, run_file: str, start: str = "", end: str = "") -> ToolAnswer:
        """Run a run file (TOML) of the folder; its run_id serves `sql` and `compare` from then on.

        Nothing is written: the run is kept in memory while the server is up. `start` and `end` are
        days; those of the file where they are left out.
        """
        path = self._file(run_file)
        with tempfile.TemporaryDirectory(prefix="ml4t-backtest-") as folder:
            saved = Path(folder) / "run.duckdb"
            # A run file may name folders to write to: some that go with this take their place.
            options = {
                "--out": str(saved), "--store": str(Path(folder) / "runs"),
                "--cache": str(Path(folder) / "prepared"),
            }  # fmt: skip
            options |= {"--start": start} if start else {}
            options |= {"--end": end} if end else {}
            self._called("run", str(path), options=options)
            result = BacktestResult.open(saved)
        self._served.keep(result)
        document = run_json(result)
        del document["saved_to"]
        return self._checked(document)

    def preview(self, run_file: str, date: str, limit: int = 100) -> ToolAnswer:
        """Say what the strategy of a run file would hold at a bar, and why not the rest.

        `date` is the time of a bar, such as 2024-03-28; where there is none, the error names the
        nearest two.
        """
        most = require_whole("limit", limit, least=1, most=self._limits.rows)
        return self._first(self._called("preview", str(self._file(run_file)), date), most)

    def inspect(self, run_file: str, query: str, limit: int = 100) -> ToolAnswer:
        """Ask one query over the data of a run file, before any run.

        It reads the sources by their names, such as `prices`, and what a run would see of them: the
        views `signals` and `market`, a row per bar and asset.
        """
        most = require_whole("limit", limit, least=1, most=self._limits.rows)
        path = str(self._file(run_file))
        return self._first(self._called("inspect", path, options={"--sql": query}), most)

    def _first(self, document: ToolAnswer, most: int) -> ToolAnswer:
        """Return the first rows of what a command has answered."""
        shown = {"columns": document["columns"], "types": document["types"]}
        rows = document["rows"]
        return self._checked({**shown, "rows": rows[:most], "has_more": len(rows) > most})

    def _all(self) -> ToolAnswer:
        ids = self._served.ids()
        files = [] if self._folder is None else sorted(self._folder.glob("**/*.toml"))
        return self._checked({
            "served": self._served.path,
            "kind": "one run" if self._served.store is None else "a store of runs",
            "n_runs": len(ids),
            "run_ids": ids[:N_LISTED],
            "tables": {name: grain(table.statement) for name, table in TABLES.items()},
            "views": {view.place: view.comment for view in VIEWS.values()},
            "figures": {figure.name: figure.meaning for figure in FIGURES.values()},
            "run_files": [str(file.relative_to(self._folder or file)) for file in files[:N_LISTED]],
            "limits": {
                "rows": self._limits.rows,
                "characters": self._limits.characters,
                "query_seconds": self._limits.query_seconds,
                "run_seconds": self._limits.run_seconds,
            },
        })  # fmt: skip

    def _file(self, given: str) -> Path:
        """Return a run file of the folder; a link out of it is none."""
        assert self._folder is not None
        _require_words(given)
        path = (self._folder / given).resolve()
        if not path.is_relative_to(self._folder):
            raise ConfigError(f"'{given}' is outside of the folder of run files")
        if path.suffix != ".toml" or not path.is_file():
            names = [str(one.relative_to(self._folder)) for one in self._folder.glob("**/*.toml")]
            raise ConfigError(f"there is no run file '{given}'{did_you_mean(given, names)}")
        return path

    def _called(
        self, name: str, *words: str, options: Mapping[str, str] | None = None
    ) -> ToolAnswer:
        """Call a command in a process of its own: one that takes too long is ended for sure."""
        given = [part for option in (options or {}).items() for part in option]
        _require_words(*words, *given)
        # What a client says is never read as an option.
        command = [sys.executable, "-m", "ml4t.backtest", name, "--json", *given, "--", *words]
        seconds = self._limits.run_seconds
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ResultError(
                f"'{name}' took longer than {seconds:g} seconds and was ended; "
                "ask for a shorter period"
            ) from error
        document: ToolAnswer = json.loads(done.stdout) if done.stdout else {}
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise ResultError(str(document.get("message") or "".join(last)))
        return document

    def _checked(self, document: ToolAnswer) -> ToolAnswer:
        """Return an answer as JSON knows it, if it is not too long."""
        n_characters = len(document_text(document))
        if n_characters > self._limits.characters:
            raise ResultError(
                f"the answer has {n_characters:,} characters, more than "
                f"{self._limits.characters:,}; ask for fewer rows or columns"
            )
        plain = jsonable(document)
        assert isinstance(plain, dict)
        return plain


def _require_words(*words: str) -> None:
    """Refuse texts that no file is called and no command is given."""
    for word in words:
        if "\0" in word or (not word.isascii() and word != word.encode(errors="replace").decode()):
            raise ConfigError(f"{word!r} has a character that is none of a text")


def _document(found: LimitedRows) -> ToolAnswer:
    return {
        "columns": found.columns,
        "types": found.types,
        "rows": found.rows,
        "has_more": found.has_more,
    }
