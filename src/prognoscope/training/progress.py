"""Where a training stands, and which of its epochs is kept."""

import math
from dataclasses import dataclass, field

from torch import Tensor

from prognoscope.models.base import SurvivalModel
from prognoscope.training.spec import TrainingSpec

EpochRow = dict[str, float]
RULES = {  # how the epoch is chosen: whether more of that column of the history is better
    "last": None,
    "validation_loss": False,
    "validation_c_index": True,
    "test_c_index": True,  # what some papers did; optimistic
}


@dataclass(slots=True)
class Progress:
    """What a training has come to: the history, one row an epoch, and the weights of the best one so far."""

    history: list[EpochRow] = field(default_factory=list)
    best_epoch: int = -1
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """The number of finished epochs."""
        return len(self.history)

    def add(self, row: EpochRow, model: SurvivalModel, rule: str) -> None:
        """Record a finished epoch, and keep its weights if the rule likes it best so far."""
        self.history.append(row)
        if self._is_best(rule):
            self.best_epoch = self.epoch - 1
            self.best_weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def is_over(self, epochs: int, spec: TrainingSpec) -> bool:
        """Whether all epochs are done, or patience has run out."""
        waited = self.epoch - 1 - self.best_epoch
        out_of_patience = spec.patience is not None and self.epoch > 0 and waited >= spec.patience
        return self.epoch >= epochs or out_of_patience

    def _is_best(self, rule: str) -> bool:
        if RULES[rule] is None or self.best_epoch < 0:
            return True
        new, old = self.history[-1][rule], self.history[self.best_epoch][rule]
        if math.isnan(old):
            return not math.isnan(new)
        return new > old if RULES[rule] else new < old  # the first of equals stays
