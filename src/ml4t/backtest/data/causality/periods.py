"""Periods: times that are rounded down or moved by a length, and when a period is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ml4t.backtest.data.causality.facts import Facts, Symbol
from ml4t.backtest.data.causality.relation import Problem
from ml4t.backtest.data.causality.spans import TimeSpan


class Periods:
    """What is known of times that were made of other times.

    Parameters
    ----------
    facts : Facts
        Takes what follows for their order.
    are_days : bool
        Every bar stands for its day: a time and its date are the same to it.
    """

    def __init__(self, facts: Facts, *, are_days: bool) -> None:
        self._facts, self._are_days = facts, are_days
        self._rounded: dict[Symbol, tuple[Symbol, TimeSpan]] = {}
        self._shifts: dict[Symbol, tuple[Symbol, TimeSpan]] = {}
        self._blamed: dict[Symbol, Problem] = {}

    # -- rounded ----------------------------------------------------------------------

    def round(self, made: Symbol, of: Symbol, length: TimeSpan) -> None:
        """Note that a time is another, rounded down."""
        self._facts.add(made, of, rounded=True)
        self._rounded[made] = (of, length)
        if self._are_days and TimeSpan(days=1).covers(length):
            self._facts.add(of, made)

    def round_to_days(self, made: Symbol, of: Symbol) -> None:
        """Note that a time is the date of another; whole days were so already."""
        before, length = self._rounded.get(of, (of, TimeSpan(days=1)))
        self.round(made, of, TimeSpan(days=1))
        self._rounded[made] = (of, TimeSpan(days=1)) if length.micros else (before, length)

    def round_alike(self, made: Symbol, of: Symbol) -> None:
        """Note that a time is another in a finer type."""
        if of in self._rounded:
            self._rounded[made] = self._rounded[of]

    def note_last_day(self, made: Symbol, of: Symbol) -> None:
        """Note that a time is the midnight at which the last day of another's month begins."""
        self._rounded[made] = (of, TimeSpan(days=1))
        if self._are_days:
            self._facts.add(of, made)

    def common_length(self, one: Symbol, other: Symbol) -> TimeSpan | None:
        """Return the length to which two times are rounded; None where it is not the same."""
        lengths = [self._rounded[each][1] for each in (one, other) if each in self._rounded]
        return lengths[0] if len(lengths) == 2 and lengths[0] == lengths[1] else None

    def end_of(self, bound: Symbol, starts: Iterable[Symbol]) -> Symbol | None:
        """Return the end of a period in which a time lies, by what the time was rounded down to.

        Parameters
        ----------
        bound : Symbol
            The time.
        starts : iterable of Symbol
            What may be the beginning of the period.
        """
        later = self._facts.not_later(bound)
        for start in starts:
            of, length = self._rounded.get(start, (start, TimeSpan()))
            if start in self._rounded and of in later:
                return self.shifted_by(start, length)
        return None

    def end_of_period(self, bound: Symbol, start: Symbol) -> Symbol | None:
        """Return the end of the period of a start, if it is that which bounds a time."""
        of, length = self._rounded.get(start, (start, TimeSpan()))
        later = self._facts.not_later(bound)
        end = start if of in later else self.shifted_by(start, length)
        return end if end != start and end in later else None

    def extreme_of(self, of: Symbol, keys: Iterable[Symbol]) -> Symbol:
        """Return the first or the last of some times of a group, by what is told of each."""
        made, keys = self._facts.symbol(), list(keys)
        later, end = self._facts.not_later(of), self.end_of(of, keys)
        for key in keys:
            if key in later:
                self._facts.add(made, key)
            if of in self._facts.not_later(key):
                self._facts.add(key, made)
        if end is not None:
            self._facts.add(made, end)
        return made

    # -- moved ------------------------------------------------------------------------

    def shift(self, made: Symbol, of: Symbol, length: TimeSpan) -> bool:
        """Note that a time is another plus a length; say whether its order is known from it."""
        base, before = self._shifts.get(of, (of, TimeSpan()))
        if not (before.months or length.months):
            length, of = before + length, base
        elif not (before + length).is_ahead and not (-(before + length)).is_ahead:
            return False
        self._shifts[made] = (of, length)
        for other, (its_base, its_length) in self._shifts.items():
            if its_base == of and other != made:
                if (length - its_length).is_ahead:
                    self._facts.add(other, made)
                if (its_length - length).is_ahead:
                    self._facts.add(made, other)
        if length.is_ahead:
            self._facts.add(of, made)
            if of in self._rounded and length.covers(self._rounded[of][1]):
                self._facts.add(self._rounded[of][0], made)
        if (-length).is_ahead:
            self._facts.add(made, of)
        return length.is_ahead or (-length).is_ahead

    def shifted_by(self, of: Symbol, length: TimeSpan) -> Symbol:
        """Return a time plus a length."""
        base, before = self._shifts.get(of, (of, TimeSpan()))
        for one, found in self._shifts.items():
            if found == (of, length) or (
                found == (base, before + length) and not (before.months or length.months)
            ):
                return one
        made = self._facts.symbol()
        self.shift(made, of, length)
        self._facts.derive(made, self._facts.sources(of), (of,))
        return made

    def shifted_alike(self, one: Symbol, other: Symbol) -> Iterator[tuple[Symbol, Symbol]]:
        """Yield what follows for two times from the order of these, shifted by other lengths."""
        (first, behind), (second, ahead) = (
            self._shifts.get(each, (each, TimeSpan())) for each in (one, other)
        )  # fmt: skip
        # A month after the first day of one is the first of the next, and back again.
        are_months = all(
            each in self._rounded and self._rounded[each][1].months for each in (first, second)
        )
        for earlier, length in self._all_shifted(first):
            for later, its_length in self._all_shifted(second):
                lengths = (behind, ahead, length, its_length)
                rest = (its_length - ahead) - (length - behind)
                is_exact = not any(each.months for each in lengths) or (
                    are_months and not any(each.days or each.micros for each in lengths)
                )
                if is_exact and rest.is_ahead:
                    yield earlier, later

    def _all_shifted(self, base: Symbol) -> list[tuple[Symbol, TimeSpan]]:
        found = [(one, length) for one, (of, length) in self._shifts.items() if of == base]
        return [(base, TimeSpan()), *found]

    # -- both -------------------------------------------------------------------------

    def copy(self, new: Mapping[Symbol, Symbol]) -> None:
        """Note that some symbols are shifted and rounded as others are."""
        stand = dict(new)  # for what is no column
        for known in (self._shifts, self._rounded):
            for one, made in new.items():
                if one in known:
                    of, length = known[one]
                    known[made] = stand.setdefault(of, self._facts.symbol()), length
        self._blamed.update({new[one]: self._blamed[one] for one in new if one in self._blamed})

    def blame(self, end: Symbol, problem: Problem) -> None:
        """Note what is wrong with what is told before the end of its period."""
        self._blamed[end] = problem

    def blamed(self, end: Symbol) -> Problem | None:
        """Return what is wrong with what is told before the end of its period."""
        return self._blamed.get(end)
