"""One model, one split: epochs of gradient steps, ranked by a rule that never sees what it is judged on.

Every epoch draws from a generator of its own, so an interrupted training continues with the numbers it would have had.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prognoscope.cohort.dataset import PatientDataset, fingerprint, loaded_ahead
from prognoscope.cohort.patch_draw import PatchDraw
from prognoscope.cohort.splits import check_comparable
from prognoscope.core.batch import Target
from prognoscope.core.errors import MetricError, ModelError, TrainingError, some
from prognoscope.core.files import digest
from prognoscope.core.memory import freed_memory_kept
from prognoscope.core.seeded import seeded
from prognoscope.models.base import SurvivalModel
from prognoscope.models.recipe import Recipe
from prognoscope.training.checkpoint import load_state, save_state
from prognoscope.training.optimizer import finish_gradients, learning_rate, make_optimizer, set_learning_rate
from prognoscope.training.predict import predict
from prognoscope.training.progress import RULES, EpochRow, Progress
from prognoscope.training.spec import TrainingSpec, fixed_threads
from prognoscope.training.step import added, check_recipe, learn, plan_steps, reading_order

Metric = Callable[..., float]  # metric(risk, time=..., event=...)
STILL = 5e-7  # how far, relative to their size, losses lie apart by the rounding of float32 alone
CURE = "Lower training.learning_rate, or check the embeddings and genes for extreme values."


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
    about: object = None,
    on_epoch: Callable[[int, int], None] | None = None,
) -> Progress:
    """Train `model` in place and leave it with the weights of the chosen epoch.

    Args:
        validation: Patients who choose the epoch; not among those trained on.
        test: Patients whose C-index is recorded after every epoch. It chooses nothing, unless `spec.choose` is
            "test_c_index" or "latest_test_c_index", which is what some published codes did.
        metric: The C-index, `metric(risk, time=..., event=...)`.
        state_file: Where to keep the state to continue from. It is continued from if it is there, whole, and of this
            same training: model, recipe, spec, patients and their data, and `about`.
        about: JSON-able; what else the numbers depend on, such as a method's options.
        on_epoch: Called with the number of finished and of all epochs.

    Returns:
        The history, one row an epoch, and the chosen epoch.

    Raises:
        TrainingError: A loss or a weight is not a finite number, a loss stays what it was, or the rule cannot rank
            epochs by the patients given.
        ModelError: By this recipe the method cannot learn.
        CohortError: There is nobody to compare, for a method whose loss compares patients.
    """
    if not len(train):
        raise TrainingError("There are no patients to train on.")
    recipe = recipe or model.profile.recipe
    if recipe is None:
        raise TrainingError(f"{type(model).__name__} is solved at once by its own `fit`, not by gradient steps.")
    parts = {"validation": validation, "test": test}
    check_recipe(model, recipe)
    _check_rule(spec.choose, parts, metric)
    if model.profile.compares_patients:
        check_comparable(train.outcome, "", "training")
        if validation is not None:
            check_comparable(validation.outcome, "", "validation")
    key = _key(model, recipe, spec, [train, validation, test], about) if state_file is not None else ""
    model.before_training(train.target, lambda rows: train.batch(rows).inputs)
    train = train.near(spec.device)
    parts = {part: None if each is None else each.near(spec.device) for part, each in parts.items()}
    model.to(spec.device)
    optimizer = make_optimizer(model, recipe)
    progress = (load_state(state_file, model, optimizer, key) if state_file is not None else None) or Progress()
    saved_at = time.monotonic()
    with fixed_threads(spec), freed_memory_kept() as give_back_holes:
        while not progress.is_over(recipe.epochs, spec):
            epoch = progress.epoch
            set_learning_rate(optimizer, recipe, epoch)
            row: EpochRow = {"epoch": epoch, "learning_rate": learning_rate(recipe, epoch)}
            row |= train_epoch(
                model, train, optimizer, recipe=recipe, spec=spec, epoch=epoch, after_step=give_back_holes
            )
            risks: dict[str, Tensor] = {}
            for part, patients in parts.items():
                if patients is not None:
                    measured, risks[part] = _measure(model, patients, part, metric, recipe, spec)
                    row |= measured
                    give_back_holes()
            risk = risks.get("test") if metric is not None else None
            progress.add(row, model, spec.choose, warm_up=spec.warm_up, risk=risk)
            if state_file is not None and time.monotonic() - saved_at >= spec.save_every_s:
                save_state(state_file, model, optimizer, progress, key)
                saved_at = time.monotonic()
            if on_epoch is not None:
                on_epoch(progress.epoch, recipe.epochs)
    _check_learned(progress, recipe)
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
    after_step: Callable[[], None] = lambda: None,
) -> EpochRow:
    """One pass over as many patients as there are; returns the mean of each loss per patient, without the L1 term.

    Raises:
        TrainingError: A loss or a weight is not a finite number.
    """
    seed = np.random.SeedSequence([spec.seed, epoch])
    order = draw_patients(train.target, recipe.sampler, np.random.default_rng(seed))
    draw = None if recipe.patch_draw is None else PatchDraw(recipe.patch_draw, (spec.seed, epoch))
    lengths = [train.lengths[i] for i in order]
    if draw is not None:
        lengths = [draw.count(place, length) for place, length in enumerate(lengths)]
    steps = plan_steps(lengths, recipe.patients_per_step, spec.most_patches, join_last=model.profile.compares_patients)
    losses: dict[str, list[Tensor]] = {}
    model.train()
    passes = reading_order(model, steps)
    parts = [[order[place] for place in each] for each in passes]
    batches = loaded_ahead(train, parts, spec.device, draw, [each[0] for each in passes])
    devices = [torch.device(spec.device)] if spec.is_on_gpu else []
    with closing(batches), seeded(int(seed.generate_state(1)[0]), devices):
        for step in steps:
            each, kept = learn(model, step, batches, recipe, spec)
            for name, loss in each.items():
                losses.setdefault(name, []).append(loss)
            finish_gradients(model, recipe)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if kept:
                model.remember(kept)
            after_step()
    per_patient = {name: torch.cat(parts).double().cpu() for name, parts in losses.items()}  # the one wait of an epoch
    _check_finite(model, per_patient, [train.patients[i] for i in order], epoch)
    means = {name: float(values.mean()) for name, values in per_patient.items()}
    return {"train_loss": sum(means.values())} | {f"train_{name}": mean for name, mean in means.items()}


def draw_patients(target: Target, sampler: str, generator: np.random.Generator) -> list[int]:
    """The order of an epoch: a permutation, or as many draws with replacement, balanced by (bin, event)."""
    n = len(target)
    if sampler == "shuffled":
        return generator.permutation(n).tolist()
    stratum = (2 * target.bin + target.event).cpu().numpy()
    weight = 1.0 / np.bincount(stratum)[stratum]
    return generator.choice(n, size=n, replace=True, p=weight / weight.sum()).tolist()


def _measure(
    model: SurvivalModel, dataset: PatientDataset, part: str, metric: Metric | None, recipe: Recipe, spec: TrainingSpec
) -> tuple[EpochRow, Tensor]:
    try:
        predicted = predict(model, dataset, spec=spec, alpha=recipe.nll_alpha)
    except ModelError as cause:
        raise TrainingError(f"{cause} Or lower training.learning_rate.") from cause
    if not math.isfinite(predicted.loss):
        raise TrainingError(f"The {part} loss is not a finite number; patients: {some(dataset.patients)}. {CURE}")
    row = {f"{part}_loss": predicted.loss}
    if metric is not None:
        try:
            value = metric(predicted.prediction.risk, time=dataset.outcome.time_free, event=dataset.outcome.event)
        except MetricError:  # a small part may have no comparable pair
            value = math.nan
        row[f"{part}_c_index"] = value
    return row, torch.from_numpy(predicted.prediction.risk)


def _check_rule(rule: str, parts: dict[str, PatientDataset | None], metric: Metric | None) -> None:
    """Refuse before the first epoch what would leave all epochs unranked."""
    if RULES[rule] is None:
        return
    part, column = RULES[rule].column.split("_", 1)
    judges = parts[part]
    if judges is None or not len(judges):
        raise TrainingError(f"Choosing epochs by {rule} needs {part} patients; none were given.")
    if column != "c_index":
        return
    if metric is None:
        raise TrainingError(f"Choosing epochs by {rule} needs a metric; none was given.")
    try:
        metric(np.zeros(len(judges)), time=judges.outcome.time_free, event=judges.outcome.event)
    except MetricError as cause:
        raise TrainingError(
            f"The {len(judges)} {part} patients cannot choose an epoch by their C-index: {cause} "
            "Make the part larger, or choose by validation_loss or last."
        ) from cause


def _check_learned(progress: Progress, recipe: Recipe) -> None:
    """Refuse a training that changed nothing: a loss that stays what it was, but for rounding, tells no epoch apart."""
    epochs, rate = len(progress.history), recipe.learning_rate
    for part in ("train", "validation"):
        losses = [row[f"{part}_loss"] for row in progress.history if f"{part}_loss" in row]
        is_still = bool(losses) and max(losses) - min(losses) <= STILL * max(map(abs, losses))
        if is_still and (epochs > 1 or losses == [0.0]):
            raise TrainingError(
                f"The {part.replace('train', 'training')} loss was {losses[0]:g} in every one of {epochs} epochs, so "
                f"nothing was learned. Look at training.learning_rate, {rate:g}, and learning_rate_factors: a rate too "
                "small moves no weight, one too large moves them to where the loss is flat."
            )


def _check_finite(model: SurvivalModel, losses: dict[str, Tensor], patients: Sequence[str], epoch: int) -> None:
    bad = ~torch.isfinite(added(losses))
    if bad.any():
        first = patients[int(bad.nonzero()[0])]
        raise TrainingError(
            f"The loss is not a finite number in epoch {epoch}, for {int(bad.sum())} of {len(patients)} draws, "
            f"the first of patient {first}. {CURE}"
        )
    weights = [name for name, value in model.named_parameters() if not torch.isfinite(value).all()]
    if weights:
        raise TrainingError(f"Weights are no finite numbers after epoch {epoch}: {some(weights)}. {CURE}")


def _key(
    model: SurvivalModel,
    recipe: Recipe,
    spec: TrainingSpec,
    datasets: Sequence[PatientDataset | None],
    about: object,
) -> str:
    """Stands for all that the numbers of a training depend on."""
    settings = {name: value for name, value in asdict(spec).items() if name != "save_every_s"}
    state = model.state_dict()
    words = [type(model).__name__, torch.__version__, *state, digest([asdict(recipe), settings, about])]
    words += ["" if dataset is None else dataset.fingerprint for dataset in datasets]
    return fingerprint(list(state.values()), words)
