"""The trials of a search, and the table that keeps them: one row each, why it failed if it did."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from prognoscope.core.errors import InputError
from prognoscope.core.files import digest
from prognoscope.runs.tables import TRIALS
from prognoscope.training.space import Range, SearchSpec, Values

log = logging.getLogger(__name__)


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


def write_trials(path: Path, trials: Sequence[Trial], spec: SearchSpec, key: str) -> None:
    """Write one row a trial; `chosen` marks the best one so far.

    Args:
        key: Stands for all that the losses depend on; in each row with what that row tells.
    """
    best = best_of(trials)
    chosen = None if best is None else trials.index(best)
    rows = [
        {"trial": i}
        | {name: text_of(each.values[name]) for name in spec.space}
        | {"loss": "" if each.why else repr(each.loss), "failed": each.why, "chosen": int(i == chosen)}
        | {"key": _seal(i, each, spec, key)}
        for i, each in enumerate(trials)
    ]
    TRIALS.write(path, pd.DataFrame(rows))


def read_trials(path: Path, spec: SearchSpec, key: str) -> list[Trial]:
    """The trials that `write_trials` told of; none if the file is not there, was changed, or is of another search."""
    if not path.is_file():
        return []
    try:
        table = TRIALS.read(path)
        trials = [
            Trial(
                {name: _value(values, row[name]) for name, values in spec.space.items()},
                float(row["loss"]),
                row["failed"],
            )
            for row in table.to_dict("records")
        ]
        if list(table["key"]) == [_seal(i, each, spec, key) for i, each in enumerate(trials)]:
            return trials
    except (InputError, KeyError, ValueError):  # cut off, or of other settings
        pass
    log.warning("%s was changed or is of another search, so this one begins anew.", path)
    return []


def _seal(place: int, trial: Trial, spec: SearchSpec, key: str) -> str:
    """Changes with all that a row tells of its trial, and with all that the search depends on."""
    return digest([key, place, *(text_of(trial.values[name]) for name in spec.space), repr(trial.loss), trial.why])


def _value(values: Values, text: str) -> object:
    if isinstance(values, Range):
        return int(text) if values.whole else float(text)
    return values[[text_of(each) for each in values].index(text)]
