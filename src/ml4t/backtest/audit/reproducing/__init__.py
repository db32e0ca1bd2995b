"""Reproducing: the least data over which a difference of an audit shows, as files and a script.

1. `reproducing.reproduce` chooses the difference: the first of a view, or of a column asked for.
2. `shrinking` finds the fewest assets, bars, sources and columns over which it is still there.
3. `of_cell` says so of a cell of a view; `files` writes the rows, whole and as they were known at
   the bar, and `scripts` what computes the cell over both.
"""
