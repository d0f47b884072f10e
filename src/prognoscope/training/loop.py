"""One model, one split: epochs of gradient steps, ranked by a rule that never sees what it is judged on.

Every epoch draws from a generator of its own, so an interrupted training continues with the numbers it would have had.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prognoscope.cohort.dataset import PatientDataset, cut_into_passes, loaded_ahead
from prognoscope.core.batch import Batch, Output, Target
from prognoscope.core.errors import MetricError, TrainingError, some
from prognoscope.models.base import Recipe, SurvivalModel
from prognoscope.training.checkpoint import load_state, save_state
from prognoscope.training.predict import predict
from prognoscope.training.spec import TrainingSpec, autocast

Metric = Callable[..., float]  # metric(risk, time=..., event=...)
EpochRow = dict[str, float]
RULES = {  # how the epoch is chosen: the column of the history, and whether more is better
    "last": None,
    "validation_loss": ("validation_loss", False),
    "validation_c_index": ("validation_c_index", True),
    "test_c_index": ("test_c_index", True),  # what some papers did; optimistic
}


@dataclass(slots=True)
class Progress:
    """Where a training stands: what is saved, and what it continues from."""

    history: list[EpochRow] = field(default_factory=list)
    best_epoch: int = -1
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """The number of finished epochs."""
        return len(self.history)


def fit(
    model: SurvivalModel,
    train: PatientDataset,
    *,
    spec: TrainingSpec,
    recipe: Recipe | None = None,
    validation: PatientDataset | None = None,
    test: PatientDataset | None = None,
    metric: Metric | None = None,
    state_file: Path | None = None,
    on_epoch: Callable[[int, int], None] | None = None,
) -> Progress:
    """Train `model` in place and leave it with the weights of the chosen epoch.

    Args:
        validation: Patients who choose the epoch; not among those trained on.
        test: Patients whose C-index is recorded after every epoch. It chooses nothing, unless `spec.choose` is
            "test_c_index", which is what some published codes did.
        metric: The C-index, `metric(risk, time=..., event=...)`.
        state_file: Where to keep the state to continue from; it is continued from when it is there.
        on_epoch: Called with the number of finished and of all epochs.

    Returns:
        The history, one row an epoch, and the chosen epoch.

    Raises:
        TrainingError: The loss is not a finite number, or the rule needs patients that were not given.
    """
    recipe = recipe or model.recipe
    needed = {"validation_loss": validation, "validation_c_index": validation, "test_c_index": test}
    if spec.choose in needed and needed[spec.choose] is None:
        raise TrainingError(f"Choosing epochs by {spec.choose} needs patients to measure it on; none were given.")
    if spec.device == "cpu":
        torch.set_num_threads(spec.threads)
    model.to(spec.device)
    optimizer = make_optimizer(model, recipe)
    progress = Progress()
    if state_file is not None and state_file.is_file():
        progress = load_state(state_file, model, optimizer, Progress)
    saved_at = time.monotonic()
    while progress.epoch < recipe.epochs and not _is_out_of_patience(progress, spec):
        epoch = progress.epoch
        set_learning_rate(optimizer, recipe, epoch)
        row = {"epoch": epoch, "learning_rate": learning_rate(recipe, epoch)}
        row |= train_epoch(model, train, optimizer, recipe=recipe, spec=spec, epoch=epoch)
        row |= _measure(model, validation, "validation", metric, recipe, spec)
        row |= _measure(model, test, "test", metric, recipe, spec)
        progress.history.append(row)
        if _is_best(progress.history, progress.best_epoch, spec.choose):
            progress.best_epoch = epoch
            progress.best_weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
        if state_file is not None and (time.monotonic() - saved_at >= spec.save_every_s):
            save_state(state_file, model, optimizer, progress)
            saved_at = time.monotonic()
        if on_epoch is not None:
            on_epoch(progress.epoch, recipe.epochs)
    model.load_state_dict(progress.best_weights)
    model.eval()
    return progress


def train_epoch(
    model: SurvivalModel,
    train: PatientDataset,
    optimizer: torch.optim.Optimizer,
    *,
    recipe: Recipe,
    spec: TrainingSpec,
    epoch: int,
) -> dict[str, float]:
    """One pass over as many patients as there are; returns the mean of each loss per patient."""
    seed = np.random.SeedSequence([spec.seed, epoch])
    order = draw_patients(train.target, recipe.sampler, np.random.default_rng(seed))
    steps = [order[i : i + recipe.patients_per_step] for i in range(0, len(order), recipe.patients_per_step)]
    passes = [part for step in steps for part in cut_into_passes(step, train.lengths, spec.patches_per_pass)]
    ends = np.cumsum([len(step) for step in steps]).tolist()
    totals: dict[str, Tensor] = {}
    model.train()
    done = 0
    devices = [torch.device(spec.device)] if spec.device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(seed.generate_state(1)[0]))
        for batch in loaded_ahead(train, passes, spec.device):
            step_size = len(steps[int(np.searchsorted(ends, done, side="right"))])
            with autocast(spec):
                output = model(batch.inputs)
            losses = losses_of(model, output, batch, recipe)
            (sum(losses.values()).sum() / step_size).backward()
            for name, loss in losses.items():
                totals[name] = totals.get(name, 0.0) + loss.detach().sum()
            done += len(batch.patients)
            if done in ends:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
    means = {name: float(total) / len(order) for name, total in totals.items()}
    if not all(math.isfinite(mean) for mean in means.values()):
        raise TrainingError(
            f"The loss is not a finite number in epoch {epoch}: {means}. "
            "Lower training.learning_rate, or check the embeddings and genes for extreme values."
        )
    return {"train_loss": sum(means.values())} | {f"train_{name}": mean for name, mean in means.items()}


def losses_of(model: SurvivalModel, output: Output, batch: Batch, recipe: Recipe) -> dict[str, Tensor]:
    """Every loss of the batch, per patient (P,), by name."""
    survival = model.survival_loss(output, batch.target, alpha=recipe.nll_alpha)
    return {"survival": survival, **model.extra_losses(output, batch.target)}


def draw_patients(target: Target, sampler: str, generator: np.random.Generator) -> list[int]:
    """The order of an epoch: a permutation, or as many draws with replacement, balanced by (bin, event)."""
    n = len(target)
    if sampler == "shuffled":
        return generator.permutation(n).tolist()
    stratum = (2 * target.bin + target.event).cpu().numpy()
    weight = 1.0 / np.bincount(stratum)[stratum]
    return generator.choice(n, size=n, replace=True, p=weight / weight.sum()).tolist()


def make_optimizer(model: SurvivalModel, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser, with a group of parameters for each learning rate factor of the model."""
    factors = model.learning_rate_factors
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        matching = [factor for prefix, factor in factors.items() if name.startswith(prefix)]
        groups.setdefault(matching[0] if matching else 1.0, []).append(parameter)
    parameters = [{"params": values, "factor": factor} for factor, values in groups.items()]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=1.0, momentum=0.9, weight_decay=recipe.weight_decay)
    return torch.optim.Adam(parameters, lr=1.0, weight_decay=recipe.weight_decay)


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """The rate of an epoch under the recipe's schedule."""
    cosine = 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))
    return recipe.learning_rate * (cosine if recipe.schedule == "cosine" else 1.0)


def set_learning_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, epoch: int) -> None:
    """Give every group of parameters its rate for the epoch."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(recipe, epoch) * group["factor"]


def _measure(
    model: SurvivalModel,
    dataset: PatientDataset | None,
    part: str,
    metric: Metric | None,
    recipe: Recipe,
    spec: TrainingSpec,
) -> EpochRow:
    if dataset is None:
        return {}
    predicted = predict(model, dataset, recipe=recipe, spec=spec)
    row = {f"{part}_loss": predicted.loss}
    if metric is not None:
        outcome = dataset.outcome
        try:
            value = metric(predicted.prediction.risk, time=outcome.time, event=outcome.event)
        except MetricError:  # a small validation part may have no comparable pair; it then ranks nothing
            value = math.nan
        row[f"{part}_c_index"] = value
    if not math.isfinite(predicted.loss):
        raise TrainingError(f"The {part} loss is not a finite number; patients: {some(dataset.patients)}.")
    return row


def _is_best(history: list[EpochRow], best: int, rule: str) -> bool:
    if RULES[rule] is None or best < 0:
        return True
    column, more_is_better = RULES[rule]
    new, old = history[-1][column], history[best][column]
    if math.isnan(old):
        return not math.isnan(new)
    return new > old if more_is_better else new < old  # the first of equals stays


def _is_out_of_patience(progress: Progress, spec: TrainingSpec) -> bool:
    if spec.patience is None or spec.choose == "last":
        return False
    return progress.epoch > 0 and progress.epoch - 1 - progress.best_epoch >= spec.patience
