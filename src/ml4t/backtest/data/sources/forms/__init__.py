"""Forms: one module per kind of file, from the files of a source to what DuckDB scans."""

from typing import TYPE_CHECKING

from ml4t.backtest.lazy import names_of

if TYPE_CHECKING:
    from ml4t.backtest.data.sources.forms.arrow import scan_arrow
    from ml4t.backtest.data.sources.forms.delta import scan_delta
    from ml4t.backtest.data.sources.forms.duckdb_file import scan_duckdb
    from ml4t.backtest.data.sources.forms.excel import scan_excel
    from ml4t.backtest.data.sources.forms.iceberg import scan_iceberg
    from ml4t.backtest.data.sources.forms.json_lines import scan_json
    from ml4t.backtest.data.sources.forms.sqlite import scan_sqlite
    from ml4t.backtest.data.sources.forms.text import scan_text

__all__ = [
    "scan_arrow",
    "scan_delta",
    "scan_duckdb",
    "scan_excel",
    "scan_iceberg",
    "scan_json",
    "scan_sqlite",
    "scan_text",
]

# Loaded when there is such a file: most are Parquet.
__getattr__, __dir__ = names_of(
    __name__,
    {
        "arrow": ("scan_arrow",),
        "delta": ("scan_delta",),
        "duckdb_file": ("scan_duckdb",),
        "excel": ("scan_excel",),
        "iceberg": ("scan_iceberg",),
        "json_lines": ("scan_json",),
        "sqlite": ("scan_sqlite",),
        "text": ("scan_text",),
    },
)
