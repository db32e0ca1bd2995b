"""Stream: the bars of a run in time order, chunk by chunk."""
