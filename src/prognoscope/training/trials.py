"""The trials of a search, and the table that keeps them: one row each, why it failed if it did."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.training.space import Range, SearchSpec, Values


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings, and what came of them."""

    values: dict[str, object]
    loss: float  # mean of the inner folds, per patient; NaN where it failed
    why: str = ""  # it failed


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The trial of the lowest loss, the first of equals; None if all failed."""
    return min((each for each in trials if not each.why), key=lambda each: each.loss, default=None)


def text_of(value: object) -> str:
    """A setting's value as a table shows it."""
    return value if isinstance(value, str) else json.dumps(value)


def trials_table(trials: Sequence[Trial], spec: SearchSpec, key: str) -> pd.DataFrame:
    """One row a trial; `chosen` marks the best one so far.

    Args:
        key: Stands for all that the losses depend on.
    """
    best = best_of(trials)
    chosen = None if best is None else trials.index(best)
    rows = [
        {"trial": i}
        | {name: text_of(each.values[name]) for name in spec.space}
        | {"loss": "" if each.why else repr(each.loss), "failed": each.why, "chosen": int(i == chosen), "key": key}
        for i, each in enumerate(trials)
    ]
    return pd.DataFrame(rows)


def read_trials(path: Path, spec: SearchSpec, key: str) -> list[Trial]:
    """The trials that `trials_table` told of; none if the file is not there or belongs to another search."""
    if not path.is_file():
        return []
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
        if set(table["key"]) != {key}:
            return []
        return [
            Trial(
                {name: _value(values, row[name]) for name, values in spec.space.items()},
                float(row["loss"] or np.nan),
                row["failed"],
            )
            for row in table.to_dict("records")
        ]
    except (KeyError, ValueError):  # pandas's errors of parsing are such, too
        return []


def _value(values: Values, text: str) -> object:
    if isinstance(values, Range):
        return int(text) if values.whole else float(text)
    return values[[text_of(each) for each in values].index(text)]
