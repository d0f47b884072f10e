"""Trained models -> predictions for new patients, with how sure they are and what is unusual about whom."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.covariate_account import tell_strangers
from prognoscope.core.errors import CohortError, ModelError, StudyError, some
from prognoscope.core.files import need_ours, need_writable, write_table
from prognoscope.core.outcome import Outcome
from prognoscope.core.words import count, listed
from prognoscope.evaluation.intervals import jackknife_interval, lower_bounds
from prognoscope.features.origin import Origin
from prognoscope.features.store import PackedEmbeddings, fault_sentences
from prognoscope.models.profile import Profile
from prognoscope.runs.card import ModelCard
from prognoscope.study.apply.ensemble import ERROR, Ensemble, open_ensemble
from prognoscope.study.apply.export import is_model, open_model
from prognoscope.study.apply.flags import flags_of, uses_of
from prognoscope.study.apply.given import Given, Reading
from prognoscope.study.apply.observed import FollowUp
from prognoscope.study.apply.overlap import find_overlap, refuse_overlap
from prognoscope.study.devices import device_of
from prognoscope.study.gather import extract_for
from prognoscope.study.inputs import embedding_files, embedding_sums, packed, read_cohort, without_empty_bags
from prognoscope.study.left_out import without_slides
from prognoscope.study.places import stored
from prognoscope.study.sections import TrainingSettings
from prognoscope.study.spec import is_made_by
from prognoscope.study.study_file import StudyFile
from prognoscope.training.spec import TrainingSpec, settled_precision

Overlap = Literal["refuse", "drop", "keep"]
FIRST_COLUMNS = "patient_id,risk,risk_sd"


@dataclass(frozen=True)
class NewPatients:
    """Patients of whom a method has what it needs."""

    cohort: Cohort
    embeddings: PackedEmbeddings | None
    told: tuple[str, ...] = ()  # what was noticed of them, in sentences
    learned: Mapping[str, str] = field(default_factory=dict)  # those of them whom the models learned from -> how known


@dataclass(frozen=True)
class Applied:
    """A method's predictions for one cohort."""

    name: str
    ensemble: Ensemble
    new: NewPatients
    table: pd.DataFrame  # see `predicted_table`
    outcome: Outcome | None  # of those of them who were followed; None where nothing is known
    unit: str | None  # of the times in its clinical table
    measured: tuple[str, ...] = ()  # sentences on the outcome


def predict_patients(
    run: Path,
    study_file: Path | Given,
    *,
    method: str | None = None,
    overrides: Sequence[str] = (),
    to: Path | None = None,
    times: Sequence[float] = (),
    overlap: Overlap = "refuse",
    final: bool = False,
) -> pd.DataFrame:
    """The mean risk and survival of all fold models of a run, for every patient of a study who has what they need.

    Args:
        run: The folder of a run.
        study_file: Of the new patients; or their files alone.
        method: Which method of the run; may be left out if it has one.
        to: A CSV file to write.
        times: Months at which survival is told.
        overlap: What becomes of patients whom the models learned from.
        final: The model of all patients speaks, which `run --final` trains.

    Returns:
        See `predicted_table`. Its attrs["left_out"] has a sentence for each step at which patients were left out, and
        for what of their covariates and genes is unlike what the models saw.

    Raises:
        ModelError: The run has no such method, the embeddings are of another encoder, or a time is beyond what the
            models saw.
        CohortError: Nobody has what the method needs, columns that training had are missing, or somebody was learned
            from.
    """
    asked = {"method": method, "overrides": overrides, "times": times, "overlap": overlap, "final": final}
    (found,) = predict_cohorts(run, [study_file], to=to, **asked)
    return found.table


def predict_cohorts(
    run: Path,
    cohorts: Sequence[Path | Given],
    *,
    method: str | None = None,
    overrides: Sequence[str] = (),
    to: Path | None = None,
    times: Sequence[float] = (),
    overlap: Overlap = "refuse",
    final: bool = False,
) -> list[Applied]:
    """The same for several cohorts, in one table with a column `cohort` more."""
    check_output(to)
    with TemporaryDirectory(prefix="prognoscope", ignore_cleanup_errors=True) as apart:
        studies = {each: StudyFile.load(each, overrides) for each in cohorts if isinstance(each, Path)}
        of_training = [each for each in overrides if each.strip().startswith("training")]  # the rest is of tables
        how = spec_of(next(iter(studies.values()), None) or Given().study(Reading(), Path(apart), of_training))
        run = Path(run)
        ensemble = (open_model if is_model(run) else open_ensemble)(run, method, how, final=final)
        ensemble.check_times(times)
        for each in cohorts:
            if isinstance(each, Given):
                each.check(ensemble.title, ensemble.enough)
        elsewhere = (Path(run) if to is None else Path(to).parent) / "embeddings"
        asked = [
            (each.study(ensemble.reading, Path(apart), overrides), each.reader())
            if isinstance(each, Given)
            else (stored(studies[each], elsewhere), None)
            for each in cohorts
        ]
        _need_names([study.spec.name for study, _ in asked])
        found = []
        for study, read in asked:
            follow_up = FollowUp.read(study, ensemble.endpoint, is_named=read is not None)
            new = patients_of(ensemble, study, overlap=overlap, read=read)
            outcome, said = follow_up.of(new.cohort, competes=ensemble.competes)
            table = predicted_table(ensemble, new, times)
            table.attrs["summary"] += said
            unit = study.spec.cohort.clinical.followed.time_unit
            found.append(Applied(study.spec.name, ensemble, new, table, outcome, unit, tuple(said)))
    if to is not None:
        write_table(to, joined(found))
    return found


def _need_names(names: Sequence[str]) -> None:
    """Refuse cohorts of one name, whose patients and numbers nobody could tell apart."""
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise StudyError(
            f"{names.count(twice[0])} of the cohorts are called {twice[0]}, so their numbers could not be told apart. "
            "Predict them one by one, or give each a study file with a name of its own, which no --set name replaces."
        )


def joined(found: Sequence[Applied]) -> pd.DataFrame:
    """The predictions of all cohorts below each other."""
    if len(found) == 1:
        return found[0].table
    return pd.concat([each.table.assign(cohort=each.name) for each in found], ignore_index=True)


def check_output(to: Path | None) -> None:
    """Refuse, before any work, a file that is not to be written."""
    if to is None:
        return
    if Path(to).is_dir():
        raise StudyError(f"{to} is a folder. Name the CSV file to write with --out.")
    need_ours(Path(to), FIRST_COLUMNS)
    need_writable(Path(to).parent, "The predictions", "Name another file with --out.")


def spec_of(study: StudyFile | None) -> TrainingSpec:
    """On what machine a study predicts."""
    training = TrainingSettings() if study is None else study.spec.training
    device = device_of(training.device)
    return TrainingSpec(device=device, precision=settled_precision(training.precision, device))


def patients_of(
    ensemble: Ensemble,
    study: StudyFile,
    *,
    overlap: Overlap = "refuse",
    read: Callable[[StudyFile], Cohort] | None = None,
) -> NewPatients:
    """The patients of a study who have what a method needs, and what was noticed of them.

    Args:
        read: Reads the study's tables; by default as a study without follow-up.

    Raises:
        PrognoscopeError: An input cannot be used with these models, or somebody was learned from.
    """
    profile = ensemble.voices[0].trained.model.profile
    cohort, embeddings = _gathered(study, profile, ensemble.card, read or _read)
    cohort, learned, told = _without_overlap(ensemble, cohort, embeddings, overlap)
    apart: list[str] = []
    if cohort.omics is not None:
        genes = cohort.omics.values.reindex(list(cohort.patients))
        for scaler in (member.trained.preparation.omics for member in ensemble.members):
            if scaler is not None:
                scaler.need_same_scale(genes, cohort.omics.source)
                apart.append(scaler.apart(genes, cohort.omics.source))
    left = [
        f"{count(len(step.dropped), 'patient')} left out at the step {step.name!r}: {some(step.dropped, 5)}."
        for step in cohort.account.steps
        if step.dropped
    ]
    origin = _told_origin(Origin.told(ensemble.card.embeddings), embeddings)
    return NewPatients(
        cohort, embeddings, (*left, *told, *origin, *_strangers(ensemble, cohort), *filter(None, apart[:1])), learned
    )


def predicted_table(ensemble: Ensemble, new: NewPatients, times: Sequence[float] = ()) -> pd.DataFrame:
    """What a method says of new patients.

    Returns:
        patient_id, risk (mean over the models), risk_sd (over the models of the folds), S_0 to S_{K-1}: the mean chance
        of outliving the months in months_0 to months_{K-1}; risk_group (high: at or above the cut of most models, each
        the median of its own training patients) and high_risk_share (of the models); for each asked time
        survival_T_months with _low and _high, see `jackknife_interval`; outlives_90_months, see `conformal_level`;
        uses; slides_unlike_training (the share of training patients whose slides are nearer to the middle); flags.
        Its attrs["left_out"] and attrs["summary"] have sentences.
    """
    cohort, embeddings = new.cohort, new.embeddings
    said = [member.trained.predict(cohort, embeddings).prediction for member in ensemble.members]
    n = len(ensemble.voices)
    risks, of_folds = [each.risk for each in said[:n]], [each.risk for each in said[-len(ensemble.folds) :]]
    table = pd.DataFrame({"patient_id": cohort.patients, "risk": np.mean(risks, axis=0)})
    table["risk_sd"] = np.std(of_folds, axis=0)

    def at(months: Float[np.ndarray, " T"]) -> Float[np.ndarray, "M P T"]:
        return np.stack([m.at(each.survival, months) for m, each in zip(ensemble.members, said, strict=True)])

    months = ensemble.months
    survival = at(months)[:n].mean(axis=0)
    table[[f"S_{k}" for k in range(len(months))]] = survival
    table[[f"months_{k}" for k in range(len(months))]] = np.tile(months, (len(table), 1))
    table = pd.concat([table, _groups(ensemble, said)], axis=1)
    if len(times):
        asked = at(np.array(times, dtype=np.float64))
        centre = asked[:n].mean(axis=0)
        ends = jackknife_interval(asked[-len(ensemble.folds) :], centre)
        told = {"": centre, "_low": ends[0], "_high": ends[1]}
        columns = {f"survival_{t:g}_months{end}": each[:, k] for k, t in enumerate(times) for end, each in told.items()}
        table = pd.concat([table, pd.DataFrame(columns)], axis=1)
    if ensemble.level is not None:
        table[f"outlives_{1 - ERROR:.0%}".removesuffix("%") + "_months"] = lower_bounds(
            survival, months, ensemble.level
        )
    flags, slides = flags_of(ensemble, cohort, embeddings)
    for patient, own in zip(cohort.patients, flags, strict=True):
        if patient in new.learned:
            own.insert(0, "was learned from, so this is partly remembered")
    table["uses"] = uses_of(ensemble, cohort)
    table["slides_unlike_training"] = slides
    table["flags"] = ["; ".join(each) for each in flags]
    table.attrs["left_out"] = list(new.told)
    table.attrs["summary"] = _summary(ensemble, table, times)
    return table


def _groups(ensemble: Ensemble, said: Sequence) -> pd.DataFrame:
    """High or low risk, by most of those that speak; where as many say one as the other, the mean distance decides."""
    votes, away = [], []
    for member, prediction in zip(ensemble.voices, said, strict=False):
        if member.cut is None:
            return pd.DataFrame({"risk_group": "", "high_risk_share": np.nan}, index=range(len(prediction.risk)))
        score = ensemble.score(prediction)
        votes.append(score >= member.cut)
        away.append(score - member.cut)
    share = np.mean(votes, axis=0)
    high = np.where(share == 0.5, np.mean(away, axis=0) >= 0, share > 0.5)
    return pd.DataFrame({"risk_group": np.where(high, "high", "low"), "high_risk_share": share})


def _summary(ensemble: Ensemble, table: pd.DataFrame, times: Sequence[float]) -> list[str]:
    voices = "the model of all patients" if ensemble.final else f"the mean of {count(len(ensemble.folds), 'model')}"
    what = f" of {ensemble.endpoint}" if ensemble.endpoint else ""
    said = [f"By {ensemble.title}{what}, {voices}. All times are in months."]
    if ensemble.competes:
        said.append("Survival is the chance that the event has not come before any other: one minus its incidence.")
    groups = Counter(table["risk_group"])
    if "" not in groups:
        what = "minus survival at the middle time" if ensemble.by_survival else "risk"
        by = ", by most of the models" if len(ensemble.voices) > 1 else ""
        how = f"{what} at or above the median of training patients{by}"
        said.append(f"{groups['high']} at high and {groups['low']} at low risk ({how}).")
    if len(times) and len(ensemble.folds) > 1:
        said.append(
            "Intervals of survival (95 %, jackknife over the folds) say how far it would move had other patients "
            "taught the models; they know nothing of what this kind of model cannot see."
        )
    patterns = Counter(table["uses"])
    if len(patterns) > 1:
        said.append(f"Predicted from {listed([f'{uses} ({n})' for uses, n in patterns.most_common()], 8)}.")
    unusual = table[table["flags"] != ""]
    if len(unusual):
        shown = [f"{row['patient_id']} ({row['flags']})" for row in unusual.head(3).to_dict("records")]
        more = f" and {len(unusual) - 3} more, in the column flags" if len(unusual) > 3 else ""
        said.append(f"{len(unusual)} of {count(len(table), 'patient')} unlike training: {'; '.join(shown)}{more}.")
    if any(member.summary is None for member in ensemble.members):
        said.append(
            f"{ensemble.source} was made by a version that kept no summary of its training patients, so slides and "
            "genes unlike theirs are not flagged. Start its `prognoscope run` into another folder to have them kept."
        )
    return said


def _without_overlap(
    ensemble: Ensemble, cohort: Cohort, embeddings: PackedEmbeddings | None, overlap: Overlap
) -> tuple[Cohort, dict[str, str], list[str]]:
    """The cohort, those of it whom the models learned from and who stay in it, and what is to be told."""
    if ensemble.run is None:
        return cohort, {}, ["The model tells of none of its training patients, so nobody was compared with them."]
    found = find_overlap(ensemble, ensemble.run, cohort, embeddings)
    if overlap == "refuse":
        refuse_overlap(found, ensemble.title, len(cohort))
    if not found or overlap == "keep":
        return cohort, found, []
    if len(found) == len(cohort.patients):
        raise CohortError(
            f"{ensemble.title} learned from all {len(found)} patients of {cohort.name}, so none is left to predict. "
            "Give others; or, if these are others under the same ids, give them ids of their own."
        )
    return cohort.without(found, f"not among those whom {ensemble.title} learned from"), {}, []


def _strangers(ensemble: Ensemble, cohort: Cohort) -> list[str]:
    """What of the patients' covariates the models never saw, and what was noticed when their tables were read."""
    preparations = [member.trained.preparation for member in ensemble.members]
    encoders = [encoder for each in preparations if (encoder := each.covariates) is not None]
    told = () if cohort.covariates is None else tell_strangers(encoders, cohort.covariates.reindex(cohort.patients))
    return [*cohort.account.notes, *cohort.account.warnings, *told]


def _read(study: StudyFile) -> Cohort:
    return read_cohort(study.spec.name, study.where, needs_follow_up=False)


def _gathered(
    study: StudyFile, profile: Profile, card: ModelCard, read: Callable[[StudyFile], Cohort]
) -> tuple[Cohort, PackedEmbeddings | None]:
    cohort = read(study)
    embeddings = None
    if "bag" in profile.needs:
        trained_on, origin, failed = card.features, Origin.told(card.embeddings), {}
        if study.spec.cohort.slides is not None:
            if trained_on and not is_made_by(trained_on, study.spec.features):
                raise StudyError(f"The model was trained on embeddings made with {trained_on}. Give the same features.")
            features = study.spec.features
            patch_px = None if features.coords else features.patch_px
            _need_alike(origin, Origin(features.encoder, None, features.told_mpp, patch_px))
            failed = extract_for(study, cohort, device=device_of(study.spec.training.device)).failed
        files = embedding_files(study.where, study.extracted)
        files = {slide: path for slide, path in files.items() if slide not in failed}  # it may be of another slide
        cohort = replace(
            cohort, slides={p: tuple(s for s in slides if s in files) for p, slides in cohort.slides.items()}
        )
        embeddings = PackedEmbeddings.open(packed(study, cohort, embedding_sums(study, cohort)))
        expected = card.sizes["embedding_dim"]
        if embeddings.embedding_dim not in (0, expected):  # 0: nobody has a patch
            raise ModelError(
                f"The model was trained on embeddings of length {expected}, these have {embeddings.embedding_dim}. "
                "Use the encoder that it was trained with."
            )
        _need_alike(origin, embeddings.origin)
        slides = sum(map(len, cohort.slides.values()))
        told = fault_sentences(embeddings.left_out, slides)
        if failed:
            each = some(f"{slide} ({why})" for slide, why in failed.items())
            told.append(f"{count(len(failed), 'slide')} gave no embeddings: {each}.")
        cohort = cohort.told(warnings=told)
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
    if not embeddings or not embeddings.embedding_dim or None not in (trained_on.encoder, embeddings.origin.encoder):
        return []
    return [
        f"Nothing says that the embeddings are those that the model needs: it was trained on {trained_on}, and these "
        f"are by {embeddings.origin}."
    ]
