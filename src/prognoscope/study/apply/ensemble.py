"""What predicts new patients: the models of all folds of a method, or one of all patients with those around it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.analysis.risk_cuts import score_in
from prognoscope.core.errors import MetricError, ModelError, nearest, some
from prognoscope.core.outcome import Prediction
from prognoscope.core.words import count
from prognoscope.evaluation.fold import survival_at
from prognoscope.evaluation.intervals import conformal_level
from prognoscope.evaluation.risk_groups import median_risk
from prognoscope.runs.card import ModelCard, need_own_card
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.manifest import is_there
from prognoscope.runs.read import Run, open_finished
from prognoscope.runs.tables import TRAINING_RISKS
from prognoscope.runs.training_summary import TrainingSummary, read_summary
from prognoscope.study.apply.given import Reading
from prognoscope.study.kept_study import study_of
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trained import Trained

ERROR = 0.1  # of the bound on time: one patient in ten may have the event before it


@dataclass(frozen=True)
class Member:
    """A trained model, and what is known of whom it learned from."""

    trained: Trained
    last_month: float  # of the follow-up that it learned from
    cut: float | None  # between low and high risk: the median of its training patients; None where it was not kept
    summary: TrainingSummary | None  # None in runs of before it was kept

    @cached_property
    def ends(self) -> Float[np.ndarray, " K"]:
        """The months at which its bins end."""
        return self.trained.card.time_bins.told_at(self.last_month)

    def at(self, survival: Float[np.ndarray, "P K"], months: Float[np.ndarray, " T"]) -> Float[np.ndarray, "P T"]:
        """Its survival at other months: straight between the ends of its bins."""
        edges = self.trained.card.time_bins.edges
        first = edges[0] if np.isfinite(edges[0]) else min(0.0, self.ends[0] - 1e-6)
        return survival_at(survival, np.array([first, *self.ends]), months)


@dataclass(frozen=True)
class Ensemble:
    """One method, ready for new patients."""

    source: Path
    title: str
    folds: tuple[Member, ...]
    final: Member | None = None  # of all patients: it then speaks, and the folds say how sure that is
    by_survival: bool = False  # risk groups are by survival at the middle time, as the study asked for
    level: float | None = None  # of `conformal_level`; None where it could not be computed
    reading: Reading = field(default_factory=Reading)  # how the tables of training were read
    endpoint: str = ""  # that it predicts, where its study has several
    run: Run | None = None  # where it comes from; None of an exported model, which tells of no patient

    @property
    def voices(self) -> tuple[Member, ...]:
        """Those whose mean is reported."""
        return self.folds if self.final is None else (self.final,)

    @property
    def members(self) -> tuple[Member, ...]:
        """All of them."""
        return self.folds if self.final is None else (self.final, *self.folds)

    @property
    def card(self) -> ModelCard:
        """The card of the first of those that speak."""
        return self.voices[0].trained.card

    @property
    def competes(self) -> bool:
        """Whether it predicts the event before any other, so that its survival is one minus an incidence."""
        return self.voices[0].trained.model.causes > 1

    @property
    def enough(self) -> list[frozenset[str]]:
        """What a patient is predicted from: all of one of these, with covariates in each where the models take any."""
        trained = self.voices[0].trained
        profile = trained.model.profile
        takes_covariates = trained.preparation.limited(profile.needs).covariates is not None
        return [each | {"clinical"} if takes_covariates else each for each in profile.enough]

    @cached_property
    def last_month(self) -> float:
        """The last month that all of them have seen."""
        return float(min(member.ends[-1] for member in self.members))

    @cached_property
    def months(self) -> Float[np.ndarray, " K"]:
        """Where bins end in the middle of those that speak; the last month is one that all of them have seen."""
        ends = np.stack([member.ends for member in self.voices])
        last = min(ends[:, -1].min(), self.last_month)
        return np.minimum([*np.median(ends[:, :-1], axis=0), np.inf], last)

    def check_times(self, times: Sequence[float]) -> None:
        """Refuse months that none of the models can tell of.

        Raises:
            ModelError: One is beyond what a model saw, or not positive; names the last that can be asked for.
        """
        if odd := [each for each in times if not each > 0]:
            raise ModelError(f"Survival is asked for at {odd[0]:g} months. Give times of more than 0.")
        if late := [each for each in times if each > self.last_month]:
            raise ModelError(
                f"Survival is asked for at {some((f'{each:g}' for each in late), 3)} months, but patients whom "
                f"{self.title} learned from were followed until {self.last_month:.4g}, and nothing is extrapolated. "
                f"Ask for times up to {np.floor(10 * self.last_month) / 10:g}."
            )

    def score(self, prediction: Prediction) -> Float[np.ndarray, " P"]:
        """What the cut is on: the risk, or minus survival at the middle time."""
        return score_in(prediction.risk, prediction.survival, by_survival=self.by_survival)


def open_ensemble(run: Path, method: str | None, spec: TrainingSpec, *, final: bool = False) -> Ensemble:
    """A method of a run.

    Args:
        method: May be left out if there is only one.
        final: The model of all patients is to speak, not the mean of the folds.

    Raises:
        ModelError: The run has no such method, or lost the model of a fold.
    """
    finished = open_finished(run)
    title = method_of(finished, method)
    models = load_models(finished, title, spec)
    by_survival = finished.provenance.split == "survival"
    members = tuple(_member(finished, trained, by_survival=by_survival) for trained in models)
    return Ensemble(
        Path(run),
        title,
        members,
        final=_final(finished, title, spec, by_survival=by_survival) if final else None,
        by_survival=by_survival,
        level=_level(finished, title),
        reading=Reading.of(study_of(finished).spec.cohort),
        endpoint=finished.provenance.endpoint,
        run=finished,
    )


def method_of(run: Run, method: str | None) -> str:
    """The method that is asked for.

    Raises:
        ModelError: It is not in the run, or the run has several and none was named.
    """
    titles = list(run.provenance.methods)
    if method is None and len(titles) > 1:
        raise ModelError(f"The run {run.folder} has {len(titles)} methods: {some(titles, 30)}. Name one with --method.")
    chosen = method or titles[0]
    if chosen not in titles:
        raise ModelError(f"The run {run.folder} has no method {chosen!r}; {nearest(chosen, titles)}")
    return chosen


def load_models(run: Run, title: str, spec: TrainingSpec) -> list[Trained]:
    """The models of all folds of one method.

    Raises:
        ModelError: One is not there any more.
    """
    folds = [files for files in run.files.folds(title) if files.is_tested]
    there = {files.number for files in folds}
    if lost := [str(number) for number in run.fold_numbers if number not in there]:
        raise ModelError(
            f"The run {run.folder} has no trained model of {title} in {count(len(lost), 'fold')}: {some(lost)}. Start "
            "its `prognoscope run` again, which makes them anew."
        )
    for files in folds:
        need_own_card(files)
    return [Trained.load(files, spec) for files in folds]


def _member(run: Run, trained: Trained, *, by_survival: bool) -> Member:
    files = run.files.fold(trained.card.title, trained.card.fold)
    risks = run.method(trained.card.title).training_risks.get(trained.card.fold)
    summary = read_summary(files.summary) if is_there(files.summary) else None
    return Member(trained, _last_month(run, trained), cut_of(risks, by_survival=by_survival), summary)


def cut_of(risks: pd.DataFrame | None, *, by_survival: bool) -> float | None:
    """The median score of training patients; None where it was not kept."""
    if risks is None or (by_survival and "S_0" not in risks):
        return None
    survival = risks[[name for name in risks if str(name).startswith("S_")]].to_numpy(float)
    return median_risk(score_in(risks["risk"].to_numpy(float), survival, by_survival=by_survival))


def _final(run: Run, title: str, spec: TrainingSpec, *, by_survival: bool) -> Member:
    files = RunFiles(run.folder).final(title)
    if not files.is_done:
        raise ModelError(
            f"The run {run.folder} has no model of {title} that was trained on all patients. Start its `prognoscope "
            "run` again with --final, which trains it, or leave out --final."
        )
    trained, summary = Trained.load(files, spec), read_summary(files.summary)
    cut = cut_of(TRAINING_RISKS.read(files.training_risks), by_survival=by_survival)
    return Member(trained, summary.last_month, cut, summary)


def _last_month(run: Run, trained: Trained) -> float:
    """The last time among the patients whom a model of the run learned from."""
    fold, title = trained.card.fold, trained.card.title
    learned = {*run.part(fold, "train", title), *run.part(fold, "validation", title)}
    outcomes = run.outcomes
    return float(outcomes.time[[patient in learned for patient in outcomes.patients]].max(initial=0.0))


def _level(run: Run, title: str) -> float | None:
    folds = [run.fold(title, number) for number in run.method(title).tested]
    if any(fold.outcome.competing is not None for fold in folds):  # whose weights would be those of censoring alone
        return None
    try:
        own = np.concatenate([fold.own_survival() for fold in folds])
        time, event = (np.concatenate([getattr(fold.outcome, name) for fold in folds]) for name in ("time", "event"))
        return conformal_level(own, time=time, event=event, error=ERROR)
    except MetricError:
        return None
