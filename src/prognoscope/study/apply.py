"""A run's trained models -> predictions for new patients, all folds together."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.covariate_account import tell_strangers
from prognoscope.core.errors import ModelError, StudyError, nearest, some
from prognoscope.core.files import need_ours, need_writable, write_table
from prognoscope.core.words import count
from prognoscope.evaluation.fold import survival_at
from prognoscope.features.origin import Origin
from prognoscope.features.store import PackedEmbeddings
from prognoscope.models.profile import Profile
from prognoscope.runs.card import ModelCard, need_own_card
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.read import Run, open_finished
from prognoscope.study.devices import device_of
from prognoscope.study.gather import extract_for
from prognoscope.study.inputs import embedding_files, embedding_sums, packed, read_cohort, without_empty_bags
from prognoscope.study.left_out import without_slides
from prognoscope.study.places import stored
from prognoscope.study.spec import is_made_by
from prognoscope.study.study_file import StudyFile
from prognoscope.training.spec import TrainingSpec, settled_precision
from prognoscope.training.trained import Trained


def predict_patients(
    run: Path, study_file: Path, *, method: str | None = None, overrides: Sequence[str] = (), to: Path | None = None
) -> pd.DataFrame:
    """The mean risk and survival of all fold models of a run, for every patient of a study who has what they need.

    Args:
        method: Which method of the run; may be left out if it has one.
        to: A CSV file to write.

    Returns:
        patient_id, risk (mean over the models), risk_sd (over the models), S_0 to S_{K-1}: the mean chance of outliving
        the months in months_0 to months_{K-1}. Its attrs["left_out"] has a sentence for each step at which patients
        were left out, and for what of their covariates and genes is unlike what the models saw.

    Raises:
        ModelError: The run has no such method, or the embeddings are of another encoder.
        CohortError: Nobody has what the method needs, or columns that training had are missing.
    """
    run = Path(run)
    if to is not None and Path(to).is_dir():
        raise StudyError(f"{to} is a folder. Name the CSV file to write with --out.")
    study = StudyFile.load(study_file, overrides)
    if to is not None:
        need_ours(Path(to), "patient_id,risk,risk_sd")
        need_writable(Path(to).parent, "The predictions", "Name another file with --out.")
    study = stored(study, (run if to is None else Path(to).parent) / "embeddings")
    device = device_of(study.spec.training.device)
    spec = TrainingSpec(device=device, precision=settled_precision(study.spec.training.precision, device))
    models = load_models(run, method, spec)
    cohort, embeddings = _patients_of(study, models[0].model.profile, models[0].card)
    apart: list[str] = []
    if cohort.omics is not None:
        genes = cohort.omics.values.reindex(list(cohort.patients))
        for scaler in (trained.preparation.omics for trained in models):
            if scaler is not None:
                scaler.need_same_scale(genes, cohort.omics.source)
                apart.append(scaler.apart(genes, cohort.omics.source))
    told = _told_origin(Origin.told(models[0].card.embeddings), embeddings)
    strange = _strangers(models, cohort)
    predictions = [trained.predict(cohort, embeddings).prediction for trained in models]
    risks = [each.risk for each in predictions]
    months, survival = _at_equal_months([each.survival for each in predictions], models, open_finished(run))
    table = pd.DataFrame({"patient_id": cohort.patients, "risk": np.mean(risks, axis=0)})
    table["risk_sd"] = np.std(risks, axis=0)
    table[[f"S_{k}" for k in range(len(months))]] = survival
    table[[f"months_{k}" for k in range(len(months))]] = np.tile(months, (len(table), 1))
    if to is not None:
        write_table(to, table)
    table.attrs["left_out"] = [
        f"{count(len(step.dropped), 'patient')} left out at the step {step.name!r}: {some(step.dropped, 5)}."
        for step in cohort.account.steps
        if step.dropped
    ]
    table.attrs["left_out"] += [*told, *strange, *filter(None, apart[:1])]
    return table


def _strangers(models: Sequence[Trained], cohort: Cohort) -> list[str]:
    """What of the patients' covariates the models never saw, and what was noticed when their tables were read."""
    encoders = [encoder for trained in models if (encoder := trained.preparation.covariates) is not None]
    told = () if cohort.covariates is None else tell_strangers(encoders, cohort.covariates.reindex(cohort.patients))
    return [*cohort.account.warnings, *told]


def load_models(run: Path, method: str | None, spec: TrainingSpec) -> list[Trained]:
    """The models of all folds of one method.

    Raises:
        ModelError: The method is not in the run, or the run has several and none was named.
    """
    titles = list(open_finished(run).provenance.methods)
    if not titles:
        raise ModelError(f"The run {run} has no methods. Run its study again.")
    if method is None and len(titles) > 1:
        raise ModelError(f"The run {run} has {len(titles)} methods: {some(titles, 30)}. Name one with --method.")
    chosen = method or titles[0]
    if chosen not in titles:
        raise ModelError(f"The run {run} has no method {chosen!r}; {nearest(chosen, titles)}")
    folds = [files for files in RunFiles(run).folds(chosen) if files.is_tested]
    expected = Run(run).fold_numbers
    if lost := [str(number) for number in expected if number not in {files.number for files in folds}]:
        raise ModelError(
            f"The run {run} has no trained model of {chosen} in {count(len(lost), 'fold')}: {some(lost)}. Start its "
            "`prognoscope run` again, which makes them anew."
        )
    for files in folds:
        need_own_card(files)
    return [Trained.load(files, spec) for files in folds]


def _at_equal_months(
    survivals: Sequence[Float[np.ndarray, "P K"]], models: Sequence[Trained], run: Run
) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, "P K"]]:
    """Months, and the mean over the models of the chance to outlive each.

    Bins of models end at times of their own, so each curve, straight between the ends of its bins, is read where its
    bins end in the middle of the models; the last month is one that all of them have seen.
    """
    bins = [trained.card.time_bins for trained in models]
    ends = np.stack([each.told_at(_last_month(run, trained)) for each, trained in zip(bins, models, strict=True)])
    months = np.minimum([*np.median(ends[:, :-1], axis=0), np.inf], ends[:, -1].min())
    curves = []
    for survival, own, each in zip(survivals, ends, bins, strict=True):
        first = each.edges[0] if np.isfinite(each.edges[0]) else min(0.0, own[0] - 1e-6)
        curves.append(survival_at(survival, np.array([first, *own]), months))
    return months, np.mean(curves, axis=0)


def _last_month(run: Run, trained: Trained) -> float:
    """The last time among the patients whom a model of the run learned from."""
    fold, title = trained.card.fold, trained.card.title
    learned = {*run.part(fold, "train", title), *run.part(fold, "validation", title)}
    outcomes = run.outcomes
    return float(outcomes.time[[patient in learned for patient in outcomes.patients]].max(initial=0.0))


def _patients_of(study: StudyFile, profile: Profile, card: ModelCard) -> tuple[Cohort, PackedEmbeddings | None]:
    cohort = read_cohort(study.spec.name, study.where, needs_follow_up=False)
    embeddings = None
    if "bag" in profile.needs:
        trained_on, origin, failed = card.features, Origin.told(card.embeddings), {}
        if study.spec.cohort.slides is not None:
            if trained_on and not is_made_by(trained_on, study.spec.features):
                raise StudyError(f"The model was trained on embeddings made with {trained_on}. Give the same features.")
            features = study.spec.features
            _need_alike(origin, Origin(features.encoder, None, features.mpp, features.patch_px))
            failed = extract_for(study, cohort, device=device_of(study.spec.training.device)).failed
        files = embedding_files(study.where, study.extracted)
        files = {slide: path for slide, path in files.items() if slide not in failed}  # it may be of another slide
        cohort = replace(
            cohort, slides={p: tuple(s for s in slides if s in files) for p, slides in cohort.slides.items()}
        )
        embeddings = PackedEmbeddings.open(packed(study, cohort, embedding_sums(study, cohort)))
        expected = card.sizes["embedding_dim"]
        if embeddings.embedding_dim != expected:
            raise ModelError(
                f"The model was trained on embeddings of length {expected}, these have {embeddings.embedding_dim}. "
                "Use the encoder that it was trained with."
            )
        _need_alike(origin, embeddings.origin)
        slides = sum(map(len, cohort.slides.values()))
        cohort = without_empty_bags(
            without_slides(cohort, embeddings.left_out, study.where, slides), embeddings, profile.enough
        )
    return cohort.needing_any(profile.enough), embeddings


def _need_alike(trained_on: Origin, given: Origin) -> None:
    if trained_on.contradicts(given):
        raise ModelError(
            f"The model was trained on embeddings by {trained_on}, and these are by {given}. Give embeddings that are "
            "made as those were, or train on such as these."
        )


def _told_origin(trained_on: Origin, embeddings: PackedEmbeddings | None) -> list[str]:
    """A sentence where nothing says that the embeddings are by the encoder of the model."""
    if embeddings is None or None not in (trained_on.encoder, embeddings.origin.encoder):
        return []
    return [
        f"Nothing says that the embeddings are those that the model needs: it was trained on {trained_on}, and these "
        f"are by {embeddings.origin}."
    ]
