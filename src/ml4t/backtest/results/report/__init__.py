"""Report: views over the result tables, in memory and in every saved file."""
