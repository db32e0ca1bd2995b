"""Computed: sources that a function makes of those that were registered before them.

1. `known_sources.KnownSources` is what the function is given: they, and nothing else.
2. `source_function.SourceFunction` says which function it is, and `calling` calls it.
3. `check_record.CheckRecord` is of a file that was checked to be what a function makes, and
   `checked` holds it to the file and its sources.
"""
