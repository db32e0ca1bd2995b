"""A folder of runs that many processes write at once, and that any DuckDB reads as one.

1. `folder.StoreFolder` knows what stands where; a run is in it from one rename on.
2. `entry.write_run` writes its tables and, beside them, what a list shows of it.
3. `index.list_runs` makes one table of all entries, and keeps it for the next list.
4. `store.RunStore` is what a user holds; `comparison` and `difference` put runs side by side.
5. `storing.Storing` says before a run to which store it goes.
"""
