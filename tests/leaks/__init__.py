"""Features that know the future, and some that do not, each a function of a catalog's sources.

- `panel.write_panel` writes a market of some assets, with reports that are revised.
- `baked_in.BAKED_IN` has the fifteen classes of leaks that are computed into a feature.
- `clean.CLEAN` has five features that look alike and read the past alone.

Each takes what `Catalog.register` hands to a function and returns a frame of ``timestamp``,
``asset_id`` and one column that is called as the function is.
"""
