"""Places: which view a feature named by a rule, limit, sizer, cost model or strategy is read of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.sources.schema import is_numeric, without_keys
from ml4t.backtest.data.sql_files import ASOF_VIEWS, split_view
from ml4t.backtest.errors import ConfigError, did_you_mean

# View and column.
FeatureColumn = tuple[str, str]


def find_feature_columns(
    names: Sequence[str],
    prepared: Prepared,
    *,
    own: Sequence[str] = (),
    computable: Collection[str] = (),
) -> dict[str, FeatureColumn]:
    """Find the column of each feature, as expressions do; leave out what only a provider has.

    What the engine reads of its `own` accord is a column of ``signals`` where both views have it.

    Raises
    ------
    ConfigError
        A feature is unknown, in both views without saying which, or no number.
    """
    kinds = {
        "signals": without_keys(prepared.signal_columns),
        "market": without_keys(prepared.market_columns),
    }
    found = {}
    for name in dict.fromkeys((*names, *own)):
        is_own = name not in names and name in kinds["signals"]
        place = ("signals", name) if is_own else _place(name, kinds)
        if place is None and name in computable:
            continue
        if place is None:
            known = {**kinds["market"], **kinds["signals"]}
            raise ConfigError(f"no source has the feature '{name}'{did_you_mean(name, known)}")
        kind = kinds[place[0]][place[1]]
        if not is_numeric(kind):
            raise ConfigError(f"feature '{name}' is of type {kind}, not a number")
        found[name] = place
    return found


def _place(name: str, kinds: Mapping[str, Mapping[str, str]]) -> FeatureColumn | None:
    # SQL does not tell cases apart, so that an expression could not say which is meant either.
    if all(name.lower() in map(str.lower, kinds[view]) for view in ASOF_VIEWS):
        raise ConfigError(
            f"feature '{name}' is in both signals and market; "
            f"write signals.{name} or market.{name}, or rename one of them"
        )
    places = [(view, name) for view in ASOF_VIEWS if name in kinds[view]]
    view, column = split_view(name)
    if view is not None and column in kinds[view]:
        places.append((view, column))
    if len(places) > 1:
        raise ConfigError(
            f"feature '{name}' is column '{column}' of {view} and a column of that whole name in "
            f"{places[0][0]}; rename one of them"
        )
    return places[0] if places else None
