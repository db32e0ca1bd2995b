"""Plot: the figures of a run as charts of Altair."""
