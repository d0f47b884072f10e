"""A study's methods as they will be trained, and their trainings: one for every method and fold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from prognoscope.analysis.optimism_table import CHOSEN_ON_TEST, ON_TEST
from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.splits import Split, check_measured, check_splits
from prognoscope.core.errors import CohortError
from prognoscope.evaluation.concordance import concordance
from prognoscope.evaluation.rank_correlation import spearman
from prognoscope.features.origin import Origin
from prognoscope.models.recipe import EarlyStop, Recipe
from prognoscope.models.registry import profile_of
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.layout import RunFiles
from prognoscope.study.methods import sizes_to_come
from prognoscope.study.protocols import PUBLISHED_CHOICE, name_of, rule_of
from prognoscope.study.search import search_of
from prognoscope.study.sections import changes
from prognoscope.study.spec import MethodSection, StudySpec, plain
from prognoscope.training.job import FoldJob
from prognoscope.training.method import Method
from prognoscope.training.space import SearchSpec
from prognoscope.training.spec import Precision, TrainingBasics, TrainingSpec


@dataclass(frozen=True, slots=True)
class PlannedMethod:
    """A method of the study, how it is trained, and what is searched before."""

    method: Method
    spec: TrainingSpec
    search: SearchSpec | None
    bins: Mapping[str, Any]  # n_bins, bins_from, clip, scale: see Preparation.fit
    notes: Mapping[str, Any]  # for its model cards


@dataclass(frozen=True, slots=True)
class Gathered:
    """What all jobs of a run share: patients who have all that one method or another needs, their folds and bags."""

    cohort: Cohort
    splits: tuple[Split, ...]
    pack: Path | None = None
    origin: Origin | None = None  # by what the embeddings were made
    content: Fingerprint = field(default_factory=Fingerprint)  # of all that trainings may see
    sums: Mapping[str, str] = field(default_factory=dict)  # slide -> sum of its embedding file when it was read
    notes: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)  # slide -> why it gave no embeddings


def planned_methods(spec: StudySpec, device: str, precision: Precision) -> tuple[PlannedMethod, ...]:
    """The study's methods with all that the protocol and the machine settle."""
    training = spec.training
    basics = {name: getattr(training, name) for name in TrainingBasics.__dataclass_fields__}
    notes = {"protocol": name_of(spec.protocol), "features": {} if spec.cohort.features else plain(spec.features)}
    planned = []
    for section in spec.methods:
        how: dict[str, Any] = {**basics, "choose": choice_of(spec, section), "device": device, "precision": precision}
        if (stop := stop_of(spec, section)) is not None:
            how |= {"warm_up": stop.warm_up, "earliest_stop": stop.earliest}
            how["patience"] = training.patience or stop.patience
        recipe = {**changes(training), **changes(section.training)}
        method = Method(section.name, section.title, section.options, recipe, _start_of(spec, section))
        planned.append(PlannedMethod(method, TrainingSpec(**how), search_of(spec, section), bins_of(spec), notes))
    return tuple(planned)


def _start_of(spec: StudySpec, section: MethodSection) -> Method | None:
    """The method that an ablation, or a point of a sweep, starts as; None of any other."""
    whole = spec.whole_of(section)
    return None if whole is section else Method(whole.name, whole.title, whole.options)


def bins_of(spec: StudySpec) -> dict[str, Any]:
    """How each fold's training part is prepared."""
    training, omics = spec.training, spec.cohort.omics
    bins: dict[str, Any] = {"n_bins": training.n_bins, "bins_from": training.bins_from}
    return bins if omics is None else bins | {"clip": omics.clip, "scale": omics.scale}


def fold_jobs(methods: Sequence[PlannedMethod], gathered: Gathered, folder: Path) -> list[FoldJob]:
    """A job for every method and fold, methods in turn; in each part are those who have what the method needs."""
    able = able_of([planned.method for planned in methods], gathered.cohort)
    everybody = set(gathered.cohort.patients)
    return [
        FoldJob(
            files=RunFiles(folder).fold(planned.method.title, split.fold),
            method=planned.method,
            cohort=gathered.cohort,
            split=split.only(able[planned.method.title]),
            spec=planned.spec,
            pack=gathered.pack,
            bins=planned.bins,
            metric=c_index,
            gene_metric=spearman,
            notes={**planned.notes, **_embeddings_of(planned.method, gathered)},
            search=planned.search,
            content=gathered.content,
            drawn=None if able[planned.method.title] == everybody else split,
        )
        for planned in methods
        for split in gathered.splits
    ]


def needs_of(methods: Iterable[Method], cohort: Cohort) -> dict[str, frozenset[str]]:
    """Title -> what the method predicts from; of one that takes what there is, what the cohort has."""
    sizes = sizes_to_come(cohort)
    return {method.title: method.settled_profile(sizes).needs for method in methods}


def enough_of(methods: Iterable[Method], cohort: Cohort) -> dict[str, tuple[frozenset[str], ...]]:
    """Title -> the sets of what the method predicts from, one of which a patient must have."""
    sizes = sizes_to_come(cohort)
    return {method.title: method.settled_profile(sizes).enough for method in methods}


def able_of(methods: Iterable[Method], cohort: Cohort) -> dict[str, set[str]]:
    """Title -> the patients whom the method can predict; it is trained on them and tested on them."""
    enough = enough_of(methods, cohort)
    return {title: set[str]().union(*map(cohort.able, alternatives)) for title, alternatives in enough.items()}


def check_parts(methods: Sequence[PlannedMethod], cohort: Cohort, splits: Sequence[Split]) -> None:
    """Hold folds to what being measured needs, and the parts that a method has of them to what folds need.

    Raises:
        CohortError: There is a part without events, or one of which nobody can be compared.
    """
    check_measured(splits, cohort.outcome)
    for title, patients in able_of([each.method for each in methods], cohort).items():
        if len(patients) < len(cohort):
            parts = [split.only(patients) for split in splits]
            try:
                check_splits(parts, cohort.outcome)
                check_measured(parts, cohort.outcome)
            except CohortError as cause:
                raise CohortError(
                    f"{title} has what it needs of {len(patients)} of the {len(cohort)} patients. {cause} Or give what "
                    f"the others lack, or take {title} off the list of methods."
                ) from cause


def _embeddings_of(method: Method, gathered: Gathered) -> dict[str, Any]:
    if gathered.origin is None or "bag" not in method.profile.uses:
        return {}
    return {"embeddings": asdict(gathered.origin)}


def c_index(risk, *, time, event) -> float:
    """Harrell's C-index, which trainings are handed to rank epochs by."""
    return concordance(risk, time=time, event=event).value


def published_recipe(spec: StudySpec, section: MethodSection) -> Recipe | None:
    """How the authors of a method, or of the one that it is an ablation of, trained it; None without epochs."""
    whole = spec.whole_of(section)
    return profile_of(whole.name, whole.options).recipe


def choice_of(spec: StudySpec, section: MethodSection) -> str:
    """The rule by which a method's epoch is chosen, by name in training.progress.RULES."""
    if (rule := rule_of(spec.protocol)) is not None:
        return rule.choose
    published = published_recipe(spec, section) or Recipe()
    return PUBLISHED_CHOICE[published.published_epoch] if spec.protocol == "paper" else spec.training.choose or "last"


def stop_of(spec: StudySpec, section: MethodSection) -> EarlyStop | None:
    """When a method's training ends before its last epoch, by the study's protocol."""
    if (rule := rule_of(spec.protocol)) is not None:
        return rule.stop
    published = published_recipe(spec, section) or Recipe()
    return published.published_stop if spec.protocol == "paper" else None


def optimism(spec: StudySpec) -> dict[str, str]:
    """Method -> why its numbers flatter it; empty under the honest protocol with bins from training patients."""
    reasons, rule = {}, rule_of(spec.protocol)
    for section in spec.methods:
        why = []
        if choice_of(spec, section) in ON_TEST and published_recipe(spec, section) is not None:
            who = "as its authors did" if rule is None else f"as in the {rule.paper} table"
            why.append(f"{CHOSEN_ON_TEST}, {who}")
        if bins_of(spec)["bins_from"] == "cohort":
            why.append("time bins were fitted on all patients, test patients included")
        if why:
            reasons[section.title] = "; ".join(why)
    return reasons
