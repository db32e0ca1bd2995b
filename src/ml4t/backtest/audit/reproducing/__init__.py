"""Reproducing: the least data over which a difference of an audit shows, as files and a script.

1. `reproducing.reproduce` chooses the difference: the first of a view, or of a column asked for.
2. `sides` has the sources as they are and as they were known, by pieces; `shrinking` finds the
   fewest assets, bars, sources and columns over which it is still there.
3. `of_cell` says so of a cell of a view, `of_run` of a run that differs alone.
4. `files` writes the rows, and `scripts` what computes the cell, or audits the run, over them, with
   what `own_code` finds of the user's own.
"""
