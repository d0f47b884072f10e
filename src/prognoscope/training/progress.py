"""Where a training stands, and which of its epochs is kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from prognoscope.models.base import SurvivalModel
from prognoscope.training.spec import TrainingSpec

EpochRow = dict[str, float]


class Rule(NamedTuple):
    """How the epoch is chosen: by a column of the history."""

    column: str
    more_is_better: bool
    last_of_equals: bool = False


EPOCHS = ("last", "best_on_test")  # at which the risks of test patients are kept, whatever epoch is chosen
RULES = {
    "last": None,
    "validation_loss": Rule("validation_loss", more_is_better=False),
    "validation_c_index": Rule("validation_c_index", more_is_better=True),
    "test_c_index": Rule("test_c_index", more_is_better=True),  # what some papers did; optimistic
    "latest_test_c_index": Rule("test_c_index", more_is_better=True, last_of_equals=True),
}


@dataclass(slots=True)
class Progress:
    """What a training has come to: the history, one row an epoch, and the weights of the best one so far."""

    history: list[EpochRow] = field(default_factory=list)
    best_epoch: int = -1
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    risks: dict[str, Tensor] = field(default_factory=dict)  # of test patients, (P,), by EPOCHS

    @property
    def epoch(self) -> int:
        """The number of finished epochs."""
        return len(self.history)

    def add(
        self, row: EpochRow, model: SurvivalModel, rule: str, *, warm_up: int = 0, risk: Tensor | None = None
    ) -> None:
        """Record a finished epoch, and keep its weights if the rule likes it best so far.

        Args:
            warm_up: How many first epochs are kept only until there are later ones.
            risk: Of the test patients, where there are any; it chooses nothing.
        """
        if risk is not None:
            before = [each["test_c_index"] for each in self.history if not math.isnan(each["test_c_index"])]
            self.risks[EPOCHS[0]] = risk
            if not before or row["test_c_index"] > max(before):
                self.risks[EPOCHS[1]] = risk
        self.history.append(row)
        if self._is_best(RULES[rule], warm_up):
            self.best_epoch = self.epoch - 1
            self.best_weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def is_over(self, epochs: int, spec: TrainingSpec) -> bool:
        """Whether all epochs are done, or patience has run out."""
        waited = self.epoch - 1 - self.best_epoch
        out_of_patience = spec.patience is not None and self.epoch > 0 and waited >= spec.patience
        last = epochs if spec.stop_after is None else min(epochs, spec.stop_after)
        return self.epoch >= last or (out_of_patience and self.epoch >= spec.earliest_stop)

    def _is_best(self, rule: Rule | None, warm_up: int) -> bool:
        if rule is None or self.best_epoch < warm_up:
            return True
        new, old = self.history[-1][rule.column], self.history[self.best_epoch][rule.column]
        if math.isnan(old):
            return not math.isnan(new)
        better = new > old if rule.more_is_better else new < old
        return better or (rule.last_of_equals and new == old)


def history_table(progress: Progress) -> pd.DataFrame:
    """One row an epoch; `chosen` marks the epoch whose weights were kept."""
    table = pd.DataFrame(progress.history)
    for column in ("validation_loss", "validation_c_index", "test_c_index"):
        if column not in table:
            table[column] = np.nan
    table["chosen"] = (table["epoch"] == progress.best_epoch).astype(int)
    return table


def risk_table(progress: Progress, patients: Sequence[str]) -> pd.DataFrame | None:
    """The risks of the test patients at epochs that nobody chose; None where they were not kept.

    Args:
        patients: Of the test part, in its order.
    """
    if set(progress.risks) != set(EPOCHS):  # no test patients, or the state of an older version
        return None
    return pd.DataFrame({"patient_id": list(patients), **{name: progress.risks[name].numpy() for name in EPOCHS}})
