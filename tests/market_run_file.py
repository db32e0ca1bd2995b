"""A run file for what `synthetic.make_market` has written into its folder."""

RUN_FILE = """
[sources.prices]
path = "prices.parquet"
[sources.features]
path = "features.parquet"
[strategy]
kind = "TopN"
n = 2
by = "ml_score"
every = 5
"""
