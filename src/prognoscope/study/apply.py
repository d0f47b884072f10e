"""A run's trained models -> predictions for new patients, all folds together."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import prepared_dataset
from prognoscope.cohort.preparation import Preparation
from prognoscope.core.errors import ModelError, StudyError, nearest, some
from prognoscope.core.files import write_table
from prognoscope.features.store import PackedEmbeddings
from prognoscope.models.base import Recipe, SurvivalModel
from prognoscope.report.words import count
from prognoscope.study.inputs import bag_loaders, embedding_files, packed, without_empty_bags
from prognoscope.study.results import read_about
from prognoscope.study.study import Study, device_of
from prognoscope.training.checkpoint import load_model
from prognoscope.training.crossval import limited
from prognoscope.training.predict import predict
from prognoscope.training.spec import TrainingSpec, settled_precision


def predict_patients(
    run: Path, study_file: Path, *, method: str | None = None, overrides: Sequence[str] = (), to: Path | None = None
) -> pd.DataFrame:
    """The mean risk and survival of all fold models of a run, for every patient of a study who has what they need.

    Args:
        method: Which method of the run; may be left out if it has one.
        to: A CSV file to write.

    Returns:
        patient_id, risk (mean over the models), risk_sd (over the models), S_0 to S_{K-1} (mean). Its
        attrs["left_out"] has a sentence for each step at which patients were left out.

    Raises:
        ModelError: The run has no such method, or the embeddings are of another encoder.
        CohortError: Nobody has what the method needs, or columns that training had are missing.
    """
    run = Path(run)
    if to is not None and Path(to).is_dir():
        raise StudyError(f"{to} is a folder. Name the CSV file to write with --out.")
    study = Study.load(study_file, overrides)
    models = load_models(run, method)
    needs = models[0][0].needs
    cohort, embeddings = _patients_of(study, needs, models[0][1])
    device = device_of(study.spec.training.device)
    spec = TrainingSpec(device=device, precision=settled_precision(study.spec.training.precision, device))
    risks, survivals = [], []
    for model, card in models:
        preparation = limited(Preparation.from_dict(card["preparation"]), model.needs)  # not what it only learned from
        dataset = prepared_dataset(cohort, cohort.patients, preparation, embeddings)
        predicted = predict(model.to(spec.device), dataset, recipe=Recipe(), spec=spec)
        risks.append(predicted.prediction.risk)
        survivals.append(predicted.prediction.survival)
    table = pd.DataFrame({"patient_id": cohort.patients, "risk": np.mean(risks, axis=0)})
    table["risk_sd"] = np.std(risks, axis=0)
    for k, column in enumerate(np.mean(survivals, axis=0).T):
        table[f"S_{k}"] = column
    if to is not None:
        write_table(to, table)
    table.attrs["left_out"] = [
        f"{count(len(step.dropped), 'patient')} left out at the step {step.name!r}: {some(step.dropped, 5)}."
        for step in cohort.account.steps
        if step.dropped
    ]
    return table


def load_models(run: Path, method: str | None = None) -> list[tuple[SurvivalModel, dict]]:
    """The models of all folds of one method, with their cards.

    Raises:
        ModelError: The method is not in the run, or the run has several and none was named.
    """
    titles = read_about(run)["methods"]
    if method is None and len(titles) > 1:
        raise ModelError(f"The run {run} has {len(titles)} methods: {some(titles, 30)}. Name one with --method.")
    chosen = method or titles[0]
    if chosen not in titles:
        raise ModelError(f"The run {run} has no method {chosen!r}; {nearest(chosen, titles)}")
    folders = sorted((run / chosen).glob("fold_*"), key=lambda path: int(path.name.removeprefix("fold_")))
    if not folders:
        raise ModelError(f"The run {run} has no trained models of {chosen} any more. Run its study again.")
    return [load_model(folder) for folder in folders]


def _patients_of(study: Study, needs: frozenset[str], card: dict) -> tuple[Cohort, PackedEmbeddings | None]:
    cohort, embeddings = study.new_patients, None
    if "bag" in needs:
        trained_on = card["features"]
        if study.spec.cohort.slides is not None:
            if study.spec.features.model_dump(mode="json") != trained_on:
                raise StudyError(f"The model was trained on embeddings made with {trained_on}. Give the same features.")
            study.extract(cohort=cohort)
        files = embedding_files(study.spec, study.folder, study.extracted)
        cohort = replace(
            cohort, slides={p: tuple(s for s in slides if s in files) for p, slides in cohort.slides.items()}
        )
        about = study.spec.cohort.features.model_dump() if study.spec.cohort.features else None
        pack = packed(bag_loaders(study.spec, study.folder, cohort, files), files, study.cache, about)
        embeddings = PackedEmbeddings.open(pack)
        expected = card["sizes"]["embedding_dim"]
        if embeddings.embedding_dim != expected:
            raise ModelError(
                f"The model was trained on embeddings of length {expected}, these have {embeddings.embedding_dim}. "
                "Use the encoder that it was trained with."
            )
        cohort = without_empty_bags(cohort, embeddings)
    return cohort.needing(needs), embeddings
