"""Smells: what in the sources looks as if it knew the future, or left out who did badly.

A smell is no proof: each says how many rows, how much and which, and what to do.

1. `smell` names them.
2. `source_smells` asks each source for what its clock, its hours and its assets say.
3. `lag_profile` correlates every column with the moves of the bars around, and says which of them
   no forecast has.
4. `smelling.find_smells` does all of it, with what the checks of the sources have warned of.
"""
