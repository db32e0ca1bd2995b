"""Objects: what is in an object store or on a web server, and how DuckDB reads it."""
