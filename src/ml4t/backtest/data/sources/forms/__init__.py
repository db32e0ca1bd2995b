"""Forms: one module per kind of file, from the files of a source to what DuckDB scans."""
