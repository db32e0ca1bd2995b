"""Policies: a strategy under every defensible answer to what bars do not tell.

1. Its own policy once more: a run of chance differs from itself.
2. Every other value of one axis at a time, beside its own of all others.
3. The product of the axes that moved the result most, as far as it is small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ml4t.backtest.audit.audit_tables import AuditPart
from ml4t.backtest.audit.cuts import REASONS
from ml4t.backtest.audit.policy_axes import Played, Variant, changed, choices, together
from ml4t.backtest.audit.steps import Steps
from ml4t.backtest.audit.truncation import own_setup
from ml4t.backtest.core.tolerances import SAME_NUMBER
from ml4t.backtest.data.sql_files import read
from ml4t.backtest.data.stream.period import Bound
from ml4t.backtest.errors import BacktestError
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.running import run_once
from ml4t.backtest.walking import RunSetup

_NOTHING = (None,) * 4


class PolicyRun(NamedTuple):
    """What a run under a policy came to.

    Attributes
    ----------
    variants : tuple of Variant
        What differs from the run's own policy; empty: nothing.
    metrics : tuple
        Final value, total return, deepest drawdown and number of trades; None where it failed.
    why : str
        Why it failed; empty where it did not.
    """

    variants: tuple[Variant, ...]
    metrics: tuple[object, ...] = _NOTHING
    why: str = ""

    def moved_from(self, own: PolicyRun) -> float | None:
        """Return ``final value / own final value - 1``; None where there is none."""
        mine, other = self.metrics[0], own.metrics[0]
        if not isinstance(mine, float) or not isinstance(other, float) or not other:
            return None
        return mine / other - 1

    def differs_in_sign(self, own: PolicyRun) -> bool | None:
        """Say whether one of two returns is a gain, and the other is none."""
        mine, other = self.metrics[1], own.metrics[1]
        if not isinstance(mine, float) or not isinstance(other, float):
            return None
        return (mine > 0) is not (other > 0)


def audit_policies(
    setup: RunSetup,
    bounds: tuple[Bound | None, Bound | None],
    whole: BacktestResult,
    steps: Steps,
) -> AuditPart:
    """Run under other policies; return the table ``policies``.

    Parameters
    ----------
    whole : BacktestResult
        The run under its own.
    """
    columns = setup.catalog.prepare().price_columns
    played = Played(config=setup.config, manager=setup.risk_manager, columns=columns)
    others, skipped = choices(played)
    own = PolicyRun((), _outcome(whole))
    if not whole.sql(read(REASONS["first decision"])).fetchall():
        why = "nothing was ordered, so that nothing depends on how orders fill"
        return _part(own, [], dict.fromkeys((one.axis for one in others), why) | skipped)
    steps.expect(1 + len(others))
    again = _run(setup, bounds, (), steps)
    runs = [_run(setup, bounds, (one,), steps) for one in others]
    if again.metrics != own.metrics:
        return _part(own, runs, skipped, is_by_chance=True)
    moved = [
        (run.variants[0], abs(by)) for run in runs
        if (by := run.moved_from(own)) is not None
        and (abs(by) > SAME_NUMBER or run.metrics != own.metrics)
    ]  # fmt: skip
    products = together(played, moved)
    steps.expect(len(products))
    runs += [_run(setup, bounds, variants, steps) for variants in products]
    return _part(own, runs, skipped)


def _run(
    setup: RunSetup,
    bounds: tuple[Bound | None, Bound | None],
    variants: tuple[Variant, ...],
    steps: Steps,
) -> PolicyRun:
    mine = own_setup(setup)
    mine.config = changed(mine.config, variants)
    try:
        result = run_once(mine, None, *bounds)
    except BacktestError as error:
        return PolicyRun(variants, why=f"{type(error).__name__}: {error}")
    finally:
        steps.done()
    return PolicyRun(variants, _outcome(result))


def _outcome(result: BacktestResult) -> tuple[object, ...]:
    """Return the metrics of a run."""
    (found,) = result.sql(read("audit_policies/outcome")).fetchall()
    return tuple(found)


def _part(
    own: PolicyRun,
    runs: Sequence[PolicyRun],
    skipped: Mapping[str, str],
    *,
    is_by_chance: bool = False,
) -> AuditPart:
    rows: list[tuple[object, ...]] = [_row(own, own, "own policy", is_own=True)]
    rows += [_row(run, own, ", ".join(one.setting for one in run.variants)) for run in runs]
    empty = (*_NOTHING, None, None)
    rows += [(setting, False, *empty, f"was not run: {why}") for setting, why in skipped.items()]
    return AuditPart({"policies": rows}, _said(own, runs, is_by_chance=is_by_chance))


def _row(
    run: PolicyRun, own: PolicyRun, setting: str, *, is_own: bool = False
) -> tuple[object, ...]:
    moved, differs = run.moved_from(own), run.differs_in_sign(own)
    return (setting, is_own, *run.metrics, moved, differs, run.why or None)


def _said(own: PolicyRun, runs: Sequence[PolicyRun], *, is_by_chance: bool) -> str:
    if is_by_chance:
        return "policies cannot be told apart: two runs under one policy differ"
    returns = [one for run in (own, *runs) if isinstance(one := run.metrics[1], float)]
    if not runs or not returns:
        return "no policy could matter"
    said = f"return from {min(returns):.2%} to {max(returns):.2%} under {len(returns)} policies"
    flips = [run for run in runs if run.differs_in_sign(own)]
    if flips:
        alone = [run for run in flips if len(run.variants) == 1]
        # Of several together only where none of them does it alone.
        told = alone or flips[:1]
        under = " or ".join(" and ".join(one.setting for one in run.variants) for run in told)
        said += f"; its sign is another under {under}"
    return said
