"""Exploring: an app of marimo over saved runs; `app` lays out what `panels` makes."""
