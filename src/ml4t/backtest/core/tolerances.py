"""Tolerances: how far off a number may be and still be what it was meant to be, smallest first.

Sums and quotients of doubles are off by about 1e-16 of their size a step. Each bound below is as
far above what its steps add up to as it can be, and far below anything that a user decides. All are
relative, to what the line says, unless it says otherwise. No other module has a bound of its own.
"""

from __future__ import annotations

# -- what is left of something: one division away from none, so as small as doubles allow ----------

# Of the room for purchases: scaled ones leave it, so that rounding cannot take cash below zero.
CASH_KEPT = 1e-14
# Of the room for purchases: what is left below it is used up.
USED_UP = 1e-12
# Of a position, a lot or an order: what a fill leaves below it is rounding, and the thing is gone.
DUST = 1e-12
# Of equity: a weight that a limit moved by less was not edited.
UNEDITED = 1e-12
# Absolute: parts such as 0.6 + 0.3 + 0.1, which the user added up to 1.
SUMS_TO_ONE = 1e-12
# Of the sum of squares of some returns: what spreads less is all alike, and has no Sharpe ratio.
UNSPREAD = 1e-12
# Of the largest number of a column: two runs that are off by less computed the same, one of more
# rows, which DuckDB adds up in another order.
SAME_IN_COLUMN = 1e-12

# -- what was computed by some steps: a thousand times the above -----------------------------------

# Absolute, in lots, ticks or assets: a multiple that misses a whole number by less is whole. As a
# share of an amount: volume or quantity that is used up, or not exceeded.
WHOLE = 1e-9
# Of a position or an order: a change that is smaller is no decision, and leaves no order.
NO_CHANGE = 1e-9
# Of a position: a fraction of a share that a split leaves below it is paid to nobody.
NO_FRACTION = 1e-9
# Of a position: it shrank where it is smaller by more, which moves a scaled exit on.
UNSHRUNK = 1e-9
# Absolute, a share of an order: nearer to none or to all than this it is none or all.
ALL_OR_NONE = 1e-9
# Of equity, absolute: a portfolio limit is broken by more; 25 times 0.04 is not quite 1.
WITHIN_LIMIT = 1e-9
# Absolute: weights that sum to more than 1 by more than this are levered.
FULLY_INVESTED = 1e-9
# Of equity, absolute: less exposure earned nothing that could be scaled up to all of it.
LEAST_EXPOSURE = 1e-9
# Absolute, of the logarithm of a ratio: a split of 4 is not one of more than 4.
AT_RATIO = 1e-9
# Absolute, in counts times ratios: an area between two distributions that is smaller is none.
NO_AREA = 1e-9
# Of the larger of two numbers of two runs, as above.
SAME_NUMBER = 1e-9

# -- what others computed: prices are adjusted, and off in the last digit that they were given -----

# Of a price: one that misses its limit-up or limit-down by less is at it.
AT_PRICE_LIMIT = 1e-9
# Of the bound: an open or close that misses high or low by less is in the range.
IN_RANGE = 1e-9
# Absolute: a part of all may be above 1 by as much, as a user divides.
WHOLE_PART = 1e-7
# Of a price: an average of trades that misses their range by less is in it; volumes are rounded.
AVERAGE_IN_RANGE = 1e-6

# -- what is not worth having ----------------------------------------------------------------------

# Of what is needed: room for less is no room, since such a purchase is not worth an order.
LEAST_SHARE = 1e-6

# -- what a file rounded: a few digits are left of returns and factors ------------------------

# Of a price: what returns of six digits make of it is off by less; a dividend is more.
RETURN_ROUNDED = 1e-5
# Of a split: nearer than this to such a ratio it is that; 1 / 0.142857 is seven for one.
SPLIT_INVERTED = 1e-5
# Of one told by two cumulated factors: 1.49993008 / 0.75001904, of LEAN's twx.csv, is two for one.
SPLIT_OF_FACTORS = 3e-4
# Of a close: an adjusted close that differs by less is the same, rounded to fewer digits.
ADJUSTED_APART = 1e-3

# -- what is not worth a word ----------------------------------------------------------------------

# Of an order: a target that the account cut by less, for its costs, was filled.
TRIFLE = 0.01

# -- what looks like a split: 16 years of 487 companies told 376 of 416, and no crash -------------

# Absolute, of the logarithm of last close / open: an open as near to a split's ratio may be one.
LIKE_SPLIT = 0.05
# High over low of the day after a split, and its volume over the usual one: crashes have more.
USUAL_RANGE = 1.12
USUAL_VOLUME = 3.0
# Ratios below those of any split of three for two, and of two into one: nearer ones are no splits.
LEAST_SPLIT, LEAST_MERGER = 1.4, 1.9

# -- what no market has ----------------------------------------------------------------------------

# Absolute, of the quantity of an order: what a larger one is worth overflows.
LARGEST = 1e100
