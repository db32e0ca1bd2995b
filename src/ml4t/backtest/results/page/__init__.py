"""Page: what is shown of a run, figure by figure, and the offline page of all of it."""
