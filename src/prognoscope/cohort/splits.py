"""Who teaches, who chooses, who judges: folds by patient, drawn or read from files.

Drawn folds depend on ids, outcomes and the seed alone, never on the order of the rows: patients are ordered by a hash
of seed and id.
"""

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval

from prognoscope.cohort.account import Account
from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.grouped import balanced_groups
from prognoscope.cohort.split_files import FoldParts, read_fold_table, read_split_files, to_patients
from prognoscope.core.errors import CohortError, some
from prognoscope.core.ids import Matched, match_ids
from prognoscope.core.outcome import Outcome, TimeBins
from prognoscope.core.settings import FilePath, FilePaths, OneOrMany, Seed, settle
from prognoscope.core.words import count

DOES = {"train": "teach", "validation": "choose", "test": "be measured"}
Stratum = Literal["event", "time", "subtype", "site"]


@dataclass(frozen=True, slots=True)
class SplitSpec:
    """How patients are divided."""

    folds: Annotated[int, Interval(ge=2, le=50)] = 5  # where they are drawn
    stratify: Annotated[tuple[Stratum, ...], OneOrMany()] = ("event", "time")
    group: Literal["site"] | None = None  # "site": no hospital in two folds
    seed: Seed = 0
    files: FilePaths = ()  # MCAT's splits_{fold}.csv; several patterns for a cohort of several tables
    table: FilePath | None = None  # a table of patient_id and fold, or of Patho-Bench's fold_0, fold_1 ...
    absent: Literal["refuse", "pass"] = "refuse"  # what becomes of names in split files that are no patient here
    validation: Annotated[float, Interval(ge=0, lt=0.5)] = 0.15  # share of the training part that chooses; 0: nobody

    def __post_init__(self):
        settle(self, CohortError)
        if self.files and self.table is not None:
            raise CohortError("give split files or a table of folds, not both")


@dataclass(frozen=True, slots=True)
class Split:
    """One fold: three parts without a patient in common, each sorted by id."""

    fold: int
    train: tuple[str, ...]  # teaches
    validation: tuple[str, ...]  # chooses; empty where nobody does
    test: tuple[str, ...]  # only reports

    def only(self, patients: Set[str]) -> "Split":
        """The same fold without anybody else."""
        parts = (tuple(p for p in part if p in patients) for part in (self.train, self.validation, self.test))
        return Split(self.fold, *parts)


def make_splits(cohort: Cohort, spec: SplitSpec) -> tuple[Split, ...]:
    """The folds of a cohort, checked: see `check_splits`. Who is in no fold is told by `account_of_splits`.

    Raises:
        MissingFileError: A split file is not there.
        CohortError: Nobody has an event; unknown patients in a file, overlapping parts; a part without
            events; too few sites or patients.
    """
    if not cohort.outcome.event.any():
        last = cohort.account.steps[-1].name if cohort.account.steps else "in the clinical tables"
        raise CohortError(
            f"None of the {len(cohort)} patients of {cohort.name} {last} has an event, so nothing can be learned. "
            "Give the data of patients with events."
        )
    is_given = bool(spec.files) or spec.table is not None
    splits = _read(cohort, spec) if is_given else _draw(cohort, spec)
    check_splits(splits, cohort.outcome)
    return splits


def told_of_splits(cohort: Cohort, spec: SplitSpec) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Notes on how the files of given folds were read, and warnings on ids in them that are written in another way."""
    if not spec.files and spec.table is None:
        return (), ()
    folds, matched = _given(cohort, spec)
    return tuple(dict.fromkeys(note for parts in folds.values() for note in parts.notes)), matched.warnings


def inner_split(
    patients: Sequence[str],
    outcome: Outcome,
    fraction: float = 0.15,
    seed: int = 0,
    *,
    fold: int = 0,
    stratify: Sequence[Mapping[str, object]] = (),
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Training and validation part of `patients`, stratified by (bin, event), each sorted by id.

    Args:
        outcome: Of these patients at least.
        fraction: Share of the validation part, which has an event wherever `patients` have two.
        fold: Another number gives another draw from the same seed.
        stratify: Further labels of the patients.

    Raises:
        CohortError: A part would be empty.
    """
    labels = _labels(sorted(patients), outcome, ("event", "time"), stratify)
    events = {p: label[0] == 0 for p, label in labels.items()}
    ordered = _ordered(labels, f"{seed}/{fold}/validation")
    place = (np.arange(len(ordered) + 1) * fraction + 0.5).astype(np.int64)  # systematic: within 1 of each share
    chosen = [patient for patient, step in zip(ordered, np.diff(place), strict=True) if step]
    if len(ordered) < 2:
        raise CohortError(
            f"Fold {fold} has {count(len(ordered), 'training patient')}, of whom none can choose. Give more patients "
            "with all that the methods need."
        )
    if not chosen or len(chosen) == len(ordered):
        raise CohortError(
            f"{fraction:.0%} of {len(ordered)} training patients leave a part empty. Change splits.validation."
        )
    if not any(events[p] for p in chosen) and sum(events.values()) > 1:
        chosen[-1] = ordered[0]  # events come first
    validation = set(chosen)
    return tuple(sorted(set(patients) - validation)), tuple(sorted(validation))


def check_splits(splits: Sequence[Split], outcome: Outcome) -> None:
    """Hold folds to what cross-validation needs.

    Raises:
        CohortError: Two parts of a fold, or two test parts, have a patient in common; a part is without events, which
            the message names with its fold; a patient is not in `outcome`.
    """
    event = dict(zip(outcome.patients, outcome.event.tolist(), strict=True))
    tested: dict[str, int] = {}
    for split in splits:
        parts = {"train": split.train, "validation": split.validation, "test": split.test}
        seen: dict[str, str] = {}
        for name, part in parts.items():
            if strange := [p for p in part if p not in event]:
                raise CohortError(f"Fold {split.fold} has {len(strange)} unknown patients: {some(strange)}.")
            if both := [p for p in part if p in seen]:
                raise CohortError(
                    f"Fold {split.fold} has {len(both)} patients in {seen[both[0]]} and {name}: {some(both)}. "
                    "A patient may be in one part only."
                )
            seen.update(dict.fromkeys(part, name))
            if not any(event[p] for p in part) and (part or name != "validation"):
                cure = (
                    "a larger validation part" if name == "validation" else "fewer folds, or folds stratified by event"
                )
                raise CohortError(
                    f"The {name} part of fold {split.fold} has {len(part)} patients and no event, so it cannot "
                    f"{DOES[name]}. Take {cure}."
                )
        if again := [p for p in split.test if p in tested]:
            raise CohortError(
                f"{len(again)} patients are tested in fold {tested[again[0]]} and in fold {split.fold}: {some(again)}. "
                "Test parts must be disjoint."
            )
        tested.update(dict.fromkeys(split.test, split.fold))


def check_measured(splits: Sequence[Split], outcome: Outcome) -> None:
    """Hold test parts to what a C-index needs: two patients of whom it is known who lived longer.

    Raises:
        CohortError: There is a part without; names all of them.
    """
    place = {patient: i for i, patient in enumerate(outcome.patients)}
    lacking = []
    for split in splits:
        rows = np.array([place[patient] for patient in split.test], dtype=np.int64)
        time, event = outcome.time[rows], outcome.event[rows]
        first = time[event].min(initial=np.inf)
        if not ((time > first) | ((time == first) & ~event)).any():
            lacking.append(f"fold {split.fold} ({len(rows)} patients)")
    if lacking:
        raise CohortError(
            f"The test part of {some(lacking)} has no C-index, so it cannot {DOES['test']}: none of its patients was "
            "followed longer than one who had an event. Take fewer folds."
        )


def check_comparable(outcome: Outcome, whose: str, part: str) -> None:
    """Hold a part to what a loss asks of it that compares patients.

    Args:
        whose: Begins the message: the method and the fold.
        part: What the part is called.

    Raises:
        CohortError: Nobody was followed as long as anybody else who had an event.
    """
    deaths = np.sort(outcome.time[outcome.event])
    if not len(deaths) or (outcome.time >= deaths[0]).sum() < 2:
        raise CohortError(
            f"{whose}No two of the {len(outcome)} {part} patients can be compared: nobody was followed as long as "
            f"another who had an event. Make the {part} part larger, or take a method without Cox's loss."
        )


def account_of_splits(cohort: Cohort, splits: Sequence[Split]) -> Account:
    """The cohort's account with a step a fold, and one that names the patients who are never tested."""
    tested = {p for split in splits for p in split.test}
    used = tested | {p for split in splits for p in (*split.train, *split.validation)}
    lost = {p: "only in training parts" if p in used else "in no fold" for p in cohort.patients if p not in tested}
    index = {patient: i for i, patient in enumerate(cohort.patients)}
    left = cohort.outcome.take(np.array([i for p, i in index.items() if p not in lost], dtype=np.int64))
    account = cohort.account.then(f"tested in one of {len(splits)} folds", left, lost)
    for split in splits:
        test = cohort.outcome.take(np.array([index[p] for p in split.test], dtype=np.int64))
        sizes = f"trained on {len(split.train)}, chosen on {len(split.validation)}, tested on"
        account = account.then(f"fold {split.fold}: {sizes}", test)
    return account


def _read(cohort: Cohort, spec: SplitSpec) -> tuple[Split, ...]:
    folds, named = _given(cohort, spec)
    known, gone = set(cohort.patients), cohort.account.dropped
    splits = []
    for fold, parts in folds.items():
        parts = to_patients(parts.renamed(named.patient_of), known | set(gone), cohort.slides, fold)
        if spec.absent == "refuse" and (
            strange := sorted({p for part in parts.parts for p in part if p not in known and p not in gone})
        ):
            raise CohortError(
                f"{parts.source} names {len(strange)} patients who are not in the cohort: {some(strange)}. "
                "Correct the ids, give the clinical table that has them, or pass them over with splits.absent: pass."
            )
        train, validation, test = ([p for p in part if p in known] for part in parts.parts)
        if not validation and spec.validation:
            train, validation = inner_split(train, cohort.outcome, spec.validation, spec.seed, fold=fold)
        splits.append(Split(fold, *(tuple(sorted(part)) for part in (train, validation, test))))
    return tuple(splits)


def _given(cohort: Cohort, spec: SplitSpec) -> tuple[dict[int, FoldParts], Matched]:
    """Fold -> parts as the files have them, and which of their ids is whose."""
    folds = read_split_files(spec.files) if spec.files else read_fold_table(spec.table or "")
    ids = [p for parts in folds.values() for part in parts.parts for p in part]
    source = Path(next(iter(folds.values())).source).name
    return folds, match_ids((*cohort.patients, *cohort.account.dropped), ids, source)


def _draw(cohort: Cohort, spec: SplitSpec) -> tuple[Split, ...]:
    patients = sorted(cohort.patients)
    further = [getattr(cohort, name) for name in ("subtype", "site") if name in spec.stratify]
    labels = _labels(patients, cohort.outcome, spec.stratify, further)
    ordered = _ordered(labels, f"{spec.seed}/folds")
    if len(ordered) < spec.folds:
        raise CohortError(f"{len(ordered)} patients cannot be divided into {spec.folds} folds. Take fewer folds.")
    if spec.group is None:
        fold_of = {patient: i % spec.folds for i, patient in enumerate(ordered)}
    else:
        fold_of = _by_site(cohort, spec, ordered, labels)
    splits = []
    for fold in range(spec.folds):
        test = tuple(p for p in patients if fold_of[p] == fold)
        train, validation = tuple(p for p in patients if fold_of[p] != fold), ()
        if spec.validation:
            train, validation = inner_split(train, cohort.outcome, spec.validation, spec.seed, fold=fold)
        splits.append(Split(fold, train, validation, test))
    return tuple(splits)


def _by_site(
    cohort: Cohort, spec: SplitSpec, ordered: Sequence[str], labels: Mapping[str, tuple[object, ...]]
) -> dict[str, int]:
    if homeless := [p for p in ordered if p not in cohort.site]:
        raise CohortError(
            f"The site of {len(homeless)} patients is unknown: {some(homeless)}. Name the column of hospitals in "
            "cohort.clinical.site, or do not group folds by site."
        )
    site = {p: cohort.site[p] for p in ordered}
    if len(set(site.values())) < spec.folds:
        raise CohortError(
            f"{len(set(site.values()))} sites cannot be divided into {spec.folds} folds. Take fewer folds, or do not "
            "group them by site."
        )
    event = dict(zip(cohort.outcome.patients, cohort.outcome.event.tolist(), strict=True))
    return balanced_groups(
        {p: site[p] for p in ordered},
        {p: ("event" if event[p] else "censored", *labels[p]) for p in ordered},
        spec.folds,
        order=lambda name: _hash(f"{spec.seed}/sites", name),
    )


def _labels(
    patients: Sequence[str], outcome: Outcome, stratify: Sequence[str], further: Sequence[Mapping[str, object]]
) -> dict[str, tuple[object, ...]]:
    """The stratum of each patient; the first entry is 0 with and 1 without an event, so that events sort first."""
    place = {patient: i for i, patient in enumerate(outcome.patients)}
    index = np.array([place[p] for p in patients], dtype=np.int64)
    time, event = outcome.time[index], outcome.event[index]
    bins = _bins(time, event) if "time" in stratify else np.zeros(len(index), dtype=np.int64)
    censored = (~event).astype(int) if "event" in stratify else np.zeros(len(index), dtype=int)
    return {
        p: (int(c), int(b), *(str(labels.get(p)) for labels in further))
        for p, c, b in zip(patients, censored, bins, strict=True)
    }


def _bins(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Bins to stratify by; fewer where event times are too few or too tied for four."""
    for n_bins in (4, 3, 2):
        try:
            return TimeBins.fit(time, event, n_bins=n_bins).label(time)
        except CohortError:
            continue
    return np.zeros(len(time), dtype=np.int64)


def _ordered(labels: Mapping[str, tuple[object, ...]], salt: str) -> list[str]:
    return sorted(labels, key=lambda p: (labels[p], _hash(salt, p)))


def _hash(salt: str, name: str) -> bytes:
    return hashlib.sha256(f"{salt}/{name}".encode()).digest()
