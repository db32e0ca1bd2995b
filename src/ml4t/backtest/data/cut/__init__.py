"""Cut: the sources of a catalog as they were at a bar, for audits that run over them.

1. `cut_catalog.CutCatalog` has the sources of another without the rows that came later.
2. `inputs` takes later rows out of what a query reads, so that it is computed anew without them.
3. `each_catalog.EachCatalog` has the queries of what was known at any bar, `definitions` how they
   are put into one another.
"""
