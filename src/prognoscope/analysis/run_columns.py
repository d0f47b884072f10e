"""Finished runs -> their methods, put into columns whose methods can be compared in pairs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from prognoscope.analysis.common_patients import on_common_patients
from prognoscope.analysis.epoch_values import AtEpoch, at_epoch, reason_at
from prognoscope.analysis.epoch_words import WORDS, At
from prognoscope.core.errors import InputError, some
from prognoscope.core.files import digest
from prognoscope.core.words import count, listed
from prognoscope.evaluation.fold import Fold
from prognoscope.runs.card import ModelCard
from prognoscope.runs.read import Run, open_finished
from prognoscope.runs.tables import ORACLES, UNFINISHED

GROUPS = ("clinical", "genes", "slides", "both", "distilled")  # in the order of the papers' tables


@dataclass(frozen=True, slots=True)
class Uses:
    """What a method of the registry takes of a patient."""

    needs: frozenset[str]  # to predict
    learns_from: frozenset[str]  # besides, in training
    takes: frozenset[str] = frozenset()  # to predict, too, where there is any


@dataclass(frozen=True, slots=True)
class Entry:
    """One method of one run."""

    run: Path
    method: str  # its title in the run
    name: str  # in the registry
    group: str  # one of GROUPS
    cohort: str  # the study's name
    endpoint: str  # of a study with several; else ""
    protocol: str
    seed: int
    settings: str  # stands for options and recipe
    optimistic: str  # why its numbers flatter it
    folds: tuple[Fold, ...]  # at the choice of the epoch that is compared
    values: tuple[float, ...]  # of the C-index by fold, where no risks were kept at that choice; else ()
    ddof: int  # of the SD over folds, by its protocol
    draws: int  # of each bootstrap of its run
    oracles: pd.DataFrame  # of its run, columns of `METRICS`


@dataclass(frozen=True, slots=True)
class Column:
    """Runs whose methods can be compared in pairs: one cohort and endpoint, one protocol, one set of folds."""

    title: str
    cohort: str
    endpoint: str
    protocol: str
    entries: tuple[Entry, ...]
    oracles: pd.DataFrame  # columns of `METRICS`

    @property
    def runs(self) -> list[Path]:
        """Their folders."""
        return list(dict.fromkeys(entry.run for entry in self.entries))


def read_entries(
    folder: Path, uses_of: Callable[[ModelCard], Uses], notes: list[str], at: At | None = None
) -> list[Entry]:
    """The methods of a run that have results; `notes` is told of the others.

    Args:
        uses_of: What the method of a card takes.
        at: Another choice of the epoch than the run's own.

    Raises:
        InputError: The run is not finished, or a file of it is missing or cannot be used.
    """
    run = open_finished(folder)
    about, finished = run.provenance, set(run.metrics["method"])
    failed = {each.method: each.sentence for each in about.failed}
    notes += [f"{method} of {folder} failed and is left out. {sentence}" for method, sentence in failed.items()]
    entries: list[Entry] = []
    tested: dict[str, tuple[Fold, ...]] = {}
    known: dict[str, AtEpoch] = {}
    for method in about.methods:
        if method in failed:
            continue
        if method not in finished:
            notes.append(f"{method} of {folder} has no results and is left out. Finish that run for them.")
            continue
        tested[method] = run.folds(method)
    compared = on_common_patients(tested) if tested else tested
    if compared is not tested:
        number = sum(len(fold) for fold in next(iter(compared.values())))
        notes.append(
            f"{folder}: methods are compared on the {count(number, 'patient')} whom all of them can predict; numbers "
            "on all patients whom each can predict are in its metrics.csv."
        )
    for method, of_method in compared.items():
        folds, optimistic, values = tuple(of_method), run.optimistic.get(method, ""), ()
        card = run.method(method).cards[folds[0].fold]
        uses = uses_of(card)
        group = group_of(uses.needs, uses.learns_from)
        if uses.takes:
            given = _given(card, uses)
            group = group_of(given - {"clinical"}, ()) if given != {"clinical"} else "clinical"
            beside = {"both": "slides and genes"}.get(group, group)
            notes += [f"{method} has the clinical covariates beside the {beside}."] * (
                "clinical" in given and len(given) > 1
            )
        if at is not None:
            known[method] = at_epoch(run.method(method), folds, at)
            folds, values = known[method].folds, known[method].values
            if values and compared is not tested:
                raise InputError(
                    f"{folder} kept the C-index of {method} at that epoch, but no risks, so it cannot be had on the "
                    "patients whom all of its methods can predict. Leave out --at."
                )
            optimistic = reason_at(optimistic, at) if known[method].has_epochs else optimistic
        entry = Entry(
            run=folder,
            method=method,
            name=card.name,
            group=group,
            cohort=run.name,
            endpoint=about.endpoint,
            protocol=run.protocol,
            seed=about.seed or 0,
            settings=digest([card.name, card.options, card.recipe, card.choose]),
            optimistic=optimistic,
            folds=folds,
            values=values,
            ddof=about.ddof,
            draws=run.draws,
            oracles=_oracles(run),
        )
        entries.append(entry)
    if at is not None:
        notes += epoch_notes(folder, at, known)
    if not entries:
        raise InputError(f"No method of {folder} has results. {UNFINISHED}")
    return entries


def epoch_notes(run: Path, at: At, known: Mapping[str, AtEpoch]) -> list[str]:
    """What must be known of a run's methods at another choice of the epoch."""
    without = [method for method, each in known.items() if not each.has_epochs]
    bare = [method for method, each in known.items() if each.values]
    spared = [method for method, each in known.items() if each.is_spared]
    notes = [f"{listed(without, 30)} of {run} has no epochs: the number is the run's own."] * bool(without)
    if bare:
        notes.append(
            f"{listed(bare, 30)} of {run}: of {WORDS[at]} no interval can be had, as the run, of an older version, "
            "kept the C-index of every epoch but the risks of the chosen one alone. The SD and the t-test are over "
            "folds. Run the study again for intervals."
        )
    if spared:
        notes.append(
            f"{listed(spared, 30)} of {run} left a validation part out of the training, which a study that takes "
            f"{WORDS[at]} trains on too."
        )
    return notes


def group_of(needs: Iterable[str], learns_from: Iterable[str]) -> str:
    """Where the papers' tables have a method: by what it predicts from, and whether it learned from genes besides."""
    needs, learns_from = set(needs), set(learns_from)
    if "bag" not in needs:
        return "genes"
    if needs - {"bag"}:
        return "both"
    return "distilled" if "omics" in learns_from else "slides"


def _given(card: ModelCard, uses: Uses) -> set[str]:
    """What a method that takes what there is was given."""
    sizes = {"bag": "embedding_dim", "omics": "group_sizes", "clinical": "n_clinical"}
    there = {what for what, size in sizes.items() if card.sizes.get(size)} & (uses.needs | uses.takes)
    only = card.options.get("covariates", "auto")
    return {only} if only in there else there


def columns_of(entries: Sequence[Entry], *, mixed: bool) -> list[Column]:
    """The entries by cohort and endpoint, protocol and folds.

    Raises:
        InputError: Runs of a cohort are of other patients; or, without `mixed`, protocols or folds differ.
    """
    protocols = {entry.protocol: entry.run for entry in reversed(entries)}
    if len(protocols) > 1 and not mixed:
        (one, a), (other, b) = list(protocols.items())[:2]
        raise InputError(
            f"{a} has the {one} protocol and {b} the {other} one, so their numbers do not mean the same. Compare runs "
            "of one protocol, or give each a column of its own with --mixed."
        )
    found: dict[tuple[tuple[str, str], str, int], list[Entry]] = {}
    firsts: dict[tuple[str, str], list[Entry]] = {}  # cohort and endpoint -> the first entry of each set of folds
    for entry in entries:
        whom = (entry.cohort.casefold(), entry.endpoint)
        known = firsts.setdefault(whom, [])
        if known:
            _need_same_patients(known[0], entry)
        at = next((i for i, first in enumerate(known) if not _other_fold(first, entry)), len(known))
        if at == len(known):
            if known and not mixed:
                raise InputError(
                    f"Fold {_other_fold(known[0], entry)} has other patients in {known[0].run} than in {entry.run}, "
                    f"both of {entry.cohort}. Compare runs on the same splits, or give each a column of its own with "
                    "--mixed."
                )
            known.append(entry)
        found.setdefault((whom, entry.protocol, at), []).append(entry)
    columns = []
    are_several = len({cohort for cohort, _ in firsts}) > 1, len({endpoint for _, endpoint in firsts}) > 1
    for (key, protocol, at), each in found.items():
        first = firsts[key][0]
        title = f"{first.cohort}, {first.endpoint}" if all(are_several) and first.endpoint else first.cohort
        title = first.endpoint if are_several == (False, True) and first.endpoint else title
        said = [f"{protocol} protocol"] * (len(protocols) > 1)
        said += [f"folds of {firsts[key][at].run}"] * (len(firsts[key]) > 1)
        title += f" ({', '.join(said)})" if said else ""
        columns.append(Column(title, first.cohort, first.endpoint, protocol, tuple(each), each[0].oracles))
    return columns


def _need_same_patients(one: Entry, other: Entry) -> None:
    ours, theirs = _follow_up(one), _follow_up(other)
    if odd := sorted(ours.keys() ^ theirs.keys()):
        raise InputError(
            f"{one.run} and {other.run} are both of {one.cohort}, but {count(len(odd), 'patient')} "
            f"({some(odd)}) {'is' if len(odd) == 1 else 'are'} in only one of them, so methods cannot be compared in "
            "pairs. Run both on the same patients, or give one study another name."
        )
    if odd := sorted(patient for patient in ours if ours[patient] != theirs[patient]):
        raise InputError(
            f"{one.run} and {other.run} are both of {one.cohort}, but the follow-up of "
            f"{count(len(odd), 'patient')} differs: {some(odd)}. Run both on the same tables, or give one study "
            "another name."
        )


def _follow_up(entry: Entry) -> dict[str, tuple[float, bool]]:
    outcomes = [fold.outcome for fold in entry.folds]
    return {p: (t, e) for o in outcomes for p, t, e in zip(o.patients, o.time.tolist(), o.event.tolist(), strict=True)}


def _other_fold(one: Entry, other: Entry) -> str:
    """The first fold that has other test patients in the two; "" where there is none."""
    ours, theirs = ({fold.fold: set(fold.outcome.patients) for fold in each.folds} for each in (one, other))
    return next((str(n) for n in sorted(ours.keys() | theirs.keys()) if ours.get(n) != theirs.get(n)), "")


def _oracles(run: Run) -> pd.DataFrame:
    return run.common_metrics[run.common_metrics["method"].isin(list(ORACLES))]


def row_titles(columns: Sequence[Column]) -> dict[tuple[Path, str], str]:
    """(run, method) -> the row it belongs to: the method's title, and the run's name where the title is not enough."""
    titles: dict[tuple[Path, str], str] = {}
    for column in columns:
        names = [run.resolve().name for run in column.runs]
        called = {run: run.resolve().name for run in column.runs}
        called = {run: name if names.count(name) == 1 else str(run) for run, name in called.items()}
        for method in dict.fromkeys(entry.method for entry in column.entries):
            same = [entry for entry in column.entries if entry.method == method]
            seeds = [entry.seed for entry in same]
            is_one = len({entry.settings for entry in same}) == 1 and len(set(seeds)) == len(seeds)
            titles |= {(entry.run, method): method if is_one else f"{called[entry.run]}/{method}" for entry in same}
    clashing = {method for (_, method), title in titles.items() if title != method}
    for (run, method), title in list(titles.items()):
        if method in clashing and title == method:  # the same row in every column
            titles[run, method] = f"{run.resolve().name}/{method}"
    return titles
