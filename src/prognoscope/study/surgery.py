"""What each modality is worth to a trained model: genes or bags of other patients, and outcomes of others in training.

The model is not trained again where genes or bags are shuffled between the test patients of a fold, so a fall of its
C-index is what it took from them. One that learned from shuffled outcomes must be near 0.5.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import PatientDataset, open_bags, prepared_dataset
from prognoscope.cohort.preparation import Preparation
from prognoscope.core.files import write_table
from prognoscope.core.outcome import Outcome, Prediction
from prognoscope.evaluation.bootstrap import draw_counts, percentile_interval
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.summary import find_metric
from prognoscope.models.base import Recipe
from prognoscope.report.run_folder import BAGS, GENES, OUTCOMES, SURGERY_COLUMNS, read_run_csv
from prognoscope.study.results import read_predictions
from prognoscope.training.checkpoint import load_model
from prognoscope.training.crossval import PREDICTIONS, FoldJob, limited
from prognoscope.training.predict import predict

SHUFFLES = 5
SURGERY, PERMUTED = "surgery.csv", "permuted"  # a fold's file, and the folder beside a method's folds
WORTH = {"genes": ("omics", GENES), "bags": ("bag", BAGS)}  # column -> what a model then needs, and the table's word


@dataclass(frozen=True, slots=True)
class Operation(FoldJob):
    """A finished fold whose model is to predict the test patients with genes and bags of others."""

    @property
    def is_done(self) -> bool:
        """Whether the fold has the risks."""
        return (self.folder / SURGERY).is_file()


def operation_on(job: FoldJob) -> Operation:
    """The surgery on a fold."""
    values = {each.name: getattr(job, each.name) for each in fields(FoldJob)}
    return Operation(**values | {"purpose": "genes and bags shuffled"})


def permuted_job(job: FoldJob, seed: int) -> FoldJob:
    """The same training of outcomes that patients of the training part have exchanged; test patients keep theirs."""
    trained = [*job.split.train, *job.split.validation]
    place = {patient: i for i, patient in enumerate(job.cohort.patients)}
    at = np.array([place[patient] for patient in trained])
    order = np.arange(len(job.cohort))
    order[at] = np.random.default_rng((seed, job.split.fold)).permutation(at)
    cohort = with_outcomes(job.cohort, order)
    return replace(job, folder=job.folder.parent / PERMUTED, cohort=cohort, purpose=OUTCOMES)


def with_outcomes(cohort: Cohort, order: np.ndarray) -> Cohort:
    """The cohort whose i-th patient has the outcome of the order[i]-th."""
    outcome = cohort.outcome
    return replace(cohort, outcome=Outcome(outcome.patients, outcome.time[order], outcome.event[order]))


def operate(job: Operation, on_epoch: Callable[[int, int], None] | None = None) -> None:
    """Write the risks of the fold's test patients, in columns genes_0, ..., bags_0, ... for what the model needs.

    Everything but the genes, or but the bag, stays the patient's own.
    """
    if job.is_done:
        return
    model, card = load_model(job.folder)
    preparation = limited(Preparation.from_dict(card["preparation"]), model.needs)
    embeddings = open_bags(job.pack) if "bag" in model.needs else None
    own = prepared_dataset(job.cohort, job.split.test, preparation, embeddings).near(job.spec.device)
    table = {"patient_id": list(own.patients)}
    wanted = [what for what, (need, _) in WORTH.items() if need in model.needs]
    for what in wanted:
        for i in range(SHUFFLES):
            order = np.random.default_rng((job.spec.seed, job.split.fold, i)).permutation(len(own))
            predicted = predict(model, with_shuffled(own, what, order), recipe=Recipe(), spec=job.spec)
            table[f"{what}_{i}"] = predicted.prediction.risk
    write_table(job.folder / SURGERY, pd.DataFrame(table))


def with_shuffled(own: PatientDataset, what: str, order: np.ndarray) -> PatientDataset:
    """The dataset whose i-th patient has the genes, or the bag, of the order[i]-th."""
    if what == "genes":
        return replace(own, omics=tuple(group[order] for group in own.omics))
    outcome = own.outcome  # bags go by the patient's name, and nothing else in predicting does
    return replace(own, outcome=replace(outcome, patients=tuple(outcome.patients[i] for i in order)))


def surgery_table(folder: Path, folds: Mapping[str, Sequence[Fold]], *, draws: int, seed: int) -> pd.DataFrame:
    """What surgery did to the C-index: a row a method, kind of surgery and fold, and "all" with the mean of the folds.

    Intervals are of patients drawn anew within folds, paired: the same draw before and after.

    Args:
        folds: Method -> its folds as they were predicted.

    Returns:
        SURGERY_COLUMNS: before and after (the mean of the shuffles), with its interval, and the drop with its own.
    """
    rows = []
    for method, each in folds.items():
        for what, (_, word) in WORTH.items():
            risks = {fold.fold: _shuffled_risks(folder / method / f"fold_{fold.fold}", what, fold) for fold in each}
            if all(len(found) for found in risks.values()):
                rows += _rows(method, word, each, risks, draws=draws, seed=seed)
        at = folder / method / PERMUTED
        if (at / PREDICTIONS).is_file():
            table = read_predictions(at).set_index("patient_id")
            operated = [fold for fold in each if set(fold.outcome.patients) == set(table.index)]
            risks = {fold.fold: [table["risk"].loc[list(fold.outcome.patients)].to_numpy(float)] for fold in operated}
            rows += _rows(method, OUTCOMES, operated, risks, draws=draws, seed=seed)[:-1]
    return pd.DataFrame(rows, columns=SURGERY_COLUMNS)


def _shuffled_risks(at: Path, what: str, fold: Fold) -> list[np.ndarray]:
    if not (at / SURGERY).is_file():
        return []
    table = read_run_csv(at / SURGERY, ("patient_id",)).set_index("patient_id").loc[list(fold.outcome.patients)]
    return [table[name].to_numpy(float) for name in table if name.startswith(f"{what}_")]


def _rows(
    method: str,
    word: str,
    folds: Sequence[Fold],
    risks: Mapping[int, Sequence[np.ndarray]],
    *,
    draws: int,
    seed: int,
) -> list[tuple]:
    metric = find_metric("c_index")
    rows, values, drawn = [], [], []
    for fold in folds:
        counts = draw_counts(fold, draws, seed)
        after = [_with_risk(fold, risk) for risk in risks[fold.fold]]
        values.append((metric(fold), np.mean([metric(each) for each in after])))
        drawn.append(
            (metric.of_draws(fold, counts), np.mean([metric.of_draws(each, counts) for each in after], axis=0))
        )
        rows.append((method, word, str(fold.fold), *_numbers(values[-1:], drawn[-1:])))
    return [*rows, (method, word, "all", *_numbers(values, drawn))] if rows else []


def _numbers(values: Sequence[tuple], drawn: Sequence[tuple]) -> tuple[float, ...]:
    before, after = np.mean(values, axis=0)
    draws_before, draws_after = np.mean(drawn, axis=0)
    spread, drop = percentile_interval(draws_after), percentile_interval(draws_before - draws_after)
    return float(before), float(after), *spread, float(before - after), *drop


def _with_risk(fold: Fold, risk: np.ndarray) -> Fold:
    prediction = Prediction(fold.prediction.patients, risk, fold.prediction.survival)
    return replace(fold, prediction=prediction)
