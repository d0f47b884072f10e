"""What training and testing one fold cost: seconds, memory, and how much is computed for a patient."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from prognoscope.cohort.dataset import PatientDataset
from prognoscope.core.memory import forget_peak, resident_mb
from prognoscope.models.base import SurvivalModel
from prognoscope.models.recipe import Recipe
from prognoscope.training.fold_data import FoldData
from prognoscope.training.job import FoldJob
from prognoscope.training.spec import TrainingSpec, autocast, fixed_threads
from prognoscope.training.step import Step, learn
from prognoscope.training.trained import Trained


@dataclass(slots=True)
class Spent:
    """What a block of code took; NaN where the system does not tell."""

    seconds: float = math.nan
    peak_mb: float = math.nan  # 10^6 bytes: of the whole process, or of a GPU's memory


@contextmanager
def spending(spec: TrainingSpec) -> Iterator[Spent]:
    """What is done inside the block is measured."""
    spent = Spent()
    if spec.is_on_gpu:
        torch.cuda.reset_peak_memory_stats(spec.device)
    else:
        forget_peak()
    began = time.perf_counter()
    yield spent
    if spec.is_on_gpu:
        torch.cuda.synchronize(spec.device)
    spent.seconds = time.perf_counter() - began
    spent.peak_mb = torch.cuda.max_memory_allocated(spec.device) / 1e6 if spec.is_on_gpu else resident_mb("VmHWM")


def cost_table(job: FoldJob, data: FoldData, trained: Trained, training: Spent, testing: Spent) -> pd.DataFrame:
    """The row of a fold: what it took, and how much was computed for a patient at the median bag.

    A teacher, members and a search for settings count as training. GFLOP are of products: of a patient in an epoch,
    forward and backward, of all members; and of a prediction. The total is of all patients and epochs, a teacher's and
    those of members' inner folds too, not a search's. The model's gradients are spoilt.

    Args:
        training: NaN where it went on from what another process had left.
    """
    model, spec, recipe = trained.model, trained.spec, job.method.changed_recipe
    model.to(spec.device)
    is_chosen = recipe is not None and spec.choose.startswith("validation")
    learned = data.dataset(data.train if is_chosen else data.learned, model.profile.uses)
    epochs = len(trained.progress.history)
    row = {"method": job.method.title, "fold": data.fold}
    row |= {"training_seconds": training.seconds, "training_peak_mb": training.peak_mb}
    row |= {"testing_seconds": testing.seconds, "testing_peak_mb": testing.peak_mb}
    row |= {"parameters": _learned_parameters(model), "teacher_parameters": 0, "patients": len(learned)}
    row |= {"tested": len(data.test), "epochs": epochs, "patches": learned.lengths[_median_rows(learned, 1)[0]]}
    each, total = math.nan, 0.0
    if model.profile.teacher is not None:
        teacher = Trained.load(job.files.teacher, spec)
        taught = data.only_with_genes(learned.patients)
        patients, told = taught.dataset(taught.learned, teacher.model.profile.uses), teacher.card.recipe
        its = Recipe(epochs=told["epochs"], nll_alpha=told["nll_alpha"])  # all that counts here
        row["teacher_parameters"] = _learned_parameters(teacher.model)
        total = _training_gflop(teacher.model, patients, its, spec) * len(patients) * its.epochs
    of_members = _members_gflop(job, data, trained)
    if recipe is not None or of_members:
        own = 0.0 if recipe is None else _training_gflop(model, learned, recipe, spec)
        each = own + sum(gflop for gflop, _ in of_members)
        total += own * len(learned) * epochs + sum(gflop * trainings for gflop, trainings in of_members)
    row |= {"gflop_training": each, "gflop_inference": _inference_gflop(model, learned, spec)}
    return pd.DataFrame([row | {"tflop_training_total": total / 1e3 if total else math.nan}])


def _members_gflop(job: FoldJob, data: FoldData, trained: Trained) -> list[tuple[float, float]]:
    """Of each member that takes gradient steps: GFLOP of a patient in an epoch, and how often that was done.

    Inner folds train on all of its patients but one part, in turn.
    """
    told: list[tuple[float, float]] = []
    methods, folds, about = job.method.members, job.method.profile.inner_folds, trained.card.members or {}
    for member, (label, method) in zip(trained.model.member_models, methods.items(), strict=True):
        if (recipe := method.changed_recipe) is None:
            continue
        able = data.only_able(member.profile.needs)
        patients = able.dataset(able.learned, member.profile.uses)
        times = about[label]["patients"] * recipe.epochs * max(folds, 1)
        told.append((_training_gflop(member, patients, recipe, trained.spec), times))
    return told


def gflop_of(run: Callable[[], object]) -> float:
    """GFLOP of the products of what is run once for it; sums, activations and the like are not counted."""
    mapping = {torch.ops.aten.convolution_backward: _convolution_backward_flop}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        run()
    return counter.get_total_flops() / 1e9


def _training_gflop(model: SurvivalModel, patients: PatientDataset, recipe: Recipe, spec: TrainingSpec) -> float:
    """GFLOP of one patient in one epoch, forward and backward, at the median bag; leaves gradients behind.

    Where the loss compares patients there are two, and half of their work is told.
    """
    rows = _median_rows(patients, 2 if model.profile.compares_patients else 1)
    step = Step((tuple(range(len(rows))),))
    model.train()
    with _apart(spec):
        batches = iter([patients.batch(rows, spec.device)])
        return gflop_of(lambda: learn(model, step, batches, recipe, spec)) / len(rows)


def _inference_gflop(model: SurvivalModel, patients: PatientDataset, spec: TrainingSpec) -> float:
    """GFLOP of the prediction of one patient, at the median bag."""
    inputs = patients.batch(_median_rows(patients, 1), spec.device).inputs
    model.eval()
    # not inference_mode, in which torch's counter cannot take a weight that goes into a layer
    with _apart(spec), torch.no_grad(), autocast(spec):
        return gflop_of(lambda: model(inputs))


def _learned_parameters(model: SurvivalModel) -> int:
    """How many numbers are learned."""
    return sum(value.numel() for value in model.parameters())


def _median_rows(patients: PatientDataset, n: int) -> list[int]:
    middle = np.argsort(patients.lengths, kind="stable")[max(0, (len(patients) - n) // 2) :]
    return [int(row) for row in middle[:n]]


@contextmanager
def _apart(spec: TrainingSpec) -> Iterator[None]:
    """Draw no random number that another would have had."""
    devices = [torch.device(spec.device)] if spec.is_on_gpu else []
    with fixed_threads(spec), torch.random.fork_rng(devices=devices):
        yield


def _convolution_backward_flop(upstream, x, weight, *options, **_) -> int:
    """As many as forward for each gradient asked for. PyTorch's count forgets groups: 256 times too many in PPEG."""
    gradients = sum(options[-1][:2])  # of the input, of the weight
    return gradients * 2 * upstream[0] * math.prod(upstream[2:]) * math.prod(weight)
