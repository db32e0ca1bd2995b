"""App: the notebook of marimo that `ml4t-backtest explore` runs; `panels` makes what it shows."""

import marimo

app = marimo.App(width="full", app_title="ml4t.backtest")

with app.setup:
    from pathlib import Path

    import marimo as mo

    from ml4t.backtest.cli.exploring import panels
    from ml4t.backtest.cli.serving.run_tools import RunTools
    from ml4t.backtest.cli.serving.served import Served
    from ml4t.backtest.results.page.figures import FIGURES


@app.cell
def _():
    _given = mo.cli_args()
    served = Served(Path(str(_given["served"])))
    _folder = _given.get("folder")
    tools = RunTools(served, Path(str(_folder)) if _folder else None)
    files = panels.run_files(tools)
    return files, served, tools


@app.cell
def _(served):
    _names = panels.run_names(served)
    run_picker = mo.ui.dropdown(_names, value=next(iter(_names)), label="Run", full_width=True)
    mo.vstack([mo.md("# Backtests"), run_picker])
    return (run_picker,)


@app.cell
def _(run_picker, served):
    run = served.run(run_picker.value)
    return (run,)


@app.cell
def _(run):
    _sections = {
        f"{figure.section}: {figure.title}": figure.name
        for figure in FIGURES.values()
        if not figure.is_picked
    }
    figure_picker = mo.ui.dropdown(
        _sections, value="Returns: Equity", label="Figure", searchable=True
    )
    trades = panels.trades_table(run)
    return figure_picker, trades


@app.cell
def _(files, served):
    picked_runs = None if served.store is None else panels.runs_table(served)
    file_picker = mo.ui.dropdown(files, value=files[0] if files else None, label="Run file")
    day = mo.ui.text(label="Bar", placeholder="2024-03-28")
    shows = mo.ui.run_button(label="Preview")
    _over = [
        "this run",
        *(["all runs"] if served.store else []),
        *(f"data of {one}" for one in files),
    ]
    over = mo.ui.dropdown(_over, value="this run", label="Over")
    editor = mo.ui.code_editor(panels.first_query(), language="sql", min_height=160)
    asks = mo.ui.run_button(label="Run the query")
    return asks, day, editor, file_picker, over, picked_runs, shows


@app.cell
def _(figure_picker, run):
    figure_view = panels.figure_panel(run, figure_picker.value)
    return (figure_view,)


@app.cell
def _(run, trades):
    trade_view = panels.trade_panel(run, trades.value)
    return (trade_view,)


@app.cell
def _(picked_runs, served):
    compare_view = (
        mo.md("One run is served; a store of runs can be compared.")
        if picked_runs is None
        else mo.vstack([picked_runs, panels.compare_panel(served, picked_runs.value)], gap=1)
    )
    return (compare_view,)


@app.cell
def _(day, file_picker, files, shows, tools):
    if not files:
        preview_view = mo.md(
            "Start with `--folder DIR`, that of your run files, to see what a strategy would hold."
        )
    else:
        _found = (
            panels.answered(lambda: tools.preview(file_picker.value, day.value, limit=1_000))
            if shows.value
            else mo.md("*What the strategy would hold at a bar, and why not the rest.*")
        )
        _asked = mo.hstack([file_picker, day, shows], justify="start", align="end")
        preview_view = mo.vstack([_asked, _found], gap=1)
    return (preview_view,)


@app.cell
def _(asks, editor, over, run_picker, tools):
    def _ask():
        if over.value == "this run":
            return tools.sql(editor.value, run_id=run_picker.value, limit=1_000)
        if over.value == "all runs":
            return tools.sql(editor.value, limit=1_000)
        return tools.inspect(over.value.removeprefix("data of "), editor.value, limit=1_000)

    _hint = mo.md(
        "*Tables of the run: `trades`, `fills`, `equity`, ...; of the data of a run file: "
        "`signals`, `market`, `prices`, ...*"
    )
    _found = panels.answered(_ask) if asks.value else _hint
    sql_view = mo.vstack([over, editor, asks, _found], gap=1)
    return (sql_view,)


@app.cell
def _(compare_view, figure_picker, figure_view, preview_view, run, sql_view, trade_view, trades):
    mo.ui.tabs({
        "Overview": mo.lazy(lambda: panels.overview(run)),
        "Figures": mo.vstack([figure_picker, figure_view], gap=1),
        "Trades": mo.vstack([trades, trade_view], gap=1),
        "Compare": compare_view,
        "Preview": preview_view,
        "SQL": sql_view,
    })  # fmt: skip
    return


if __name__ == "__main__":
    app.run()
