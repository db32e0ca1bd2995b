"""Causality: whether each column of a query is known at its own time.

1. `binding` has DuckDB bind the query over empty tables, and gives the plan.
2. `operators` walks the plan from its tables up, with `joins`, `windows`, `values` and `periods`;
   `relation` is what a step yields, and `facts` what is known of the order of times.
3. `verdicts` says of each column what was proved.
"""
