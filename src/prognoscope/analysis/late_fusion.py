"""Whether methods of several modalities beat late fusion of methods that see one each as their branches do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from prognoscope.core.errors import MetricError
from prognoscope.core.words import listed
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.paired import PairedDifference, compare
from prognoscope.runs.read import Run

NAME = "late"  # of the method that stands in where a run has not all branches


@dataclass(frozen=True, slots=True)
class BesideLate:
    """A method of several modalities beside late fusion."""

    method: str
    branches: tuple[str, ...]  # of one modality each, by name
    fused: tuple[str, ...] = ()  # titles of the branches whose ranks were averaged, or of the one that stands in
    stands_in: bool = False
    difference: PairedDifference | None = None  # of the C-index, the method minus late fusion
    why: str = ""  # there is none, though there is something to compare with

    @property
    def sentence(self) -> str:
        """What it says of the method."""
        parts = listed(list(self.branches))
        if self.difference is None:
            if self.why:
                return f"{self.method} could not be set beside late fusion of {parts}: {self.why}"
            return (
                f"Nothing shows whether {self.method} beats late fusion of its single-modality parts: add {parts}, or "
                f"{NAME}, to methods."
            )
        told = self.difference
        what = f"late fusion of its single-modality parts, {parts} (mean of their ranks)"
        if self.stands_in:
            what = f"late fusion ({listed(list(self.fused))}, which stands in for {parts}, not all of them here)"
        spread = f"{told.difference:+.3f} in C-index, paired 95 % interval {told.low:+.3f} to {told.high:+.3f}"
        if told.low > 0:
            return f"{self.method} beats {what}: {spread}."
        if told.high < 0:
            return f"{self.method} is worse than {what}: {spread}."
        return f"{self.method} is not shown to beat {what}: {spread}."


def beside_late(run: Run) -> list[BesideLate]:
    """Every method of the run that has branches, in its order.

    The ranks are of each fold's held-out risks among the risks of its training part, so nothing is chosen on, or fitted
    to, held-out patients. Where the run has not all branches, its own `late` stands in.
    """
    return [
        _beside(run, method, branches) for method, branches in run.provenance.branches.items() if method in run.methods
    ]


def fused_by_ranks(run: Run, titles: Sequence[str]) -> list[Fold]:
    """Folds whose risk is the mean over methods of its place among the risks of the fold's training part, from 0 to 1.

    Raises:
        MetricError: A method has no risks of training patients.
    """
    folds = []
    for number in run.methods[titles[0]].tested:
        parts = [run.fold(title, number) for title in titles]
        common = sorted(set(parts[0].outcome.patients).intersection(*(part.outcome.patients for part in parts)))
        places = []
        for title, part in zip(titles, parts, strict=True):
            if number not in run.methods[title].training_risks:
                raise MetricError(f"{title} kept no risks of its training patients.")
            known = np.sort(run.methods[title].training_risks[number]["risk"].to_numpy(float))
            risk = _only(part, common).prediction.risk
            below, up_to = (np.searchsorted(known, risk, side=side) for side in ("left", "right"))
            places.append((below + up_to) / 2 / len(known))
        first = _only(parts[0], common)
        folds.append(replace(first, prediction=replace(first.prediction, risk=np.mean(places, axis=0))))
    return folds


def _beside(run: Run, method: str, branches: tuple[str, ...]) -> BesideLate:
    titles = {name: _title_of(run, name) for name in (*branches, NAME)}
    there = [title for name in branches if (title := titles[name]) is not None]
    stand_in = titles[NAME]
    if len(there) < len(branches) and stand_in is None:
        return BesideLate(method, branches)
    stands_in = len(there) < len(branches)
    fused = (stand_in,) if stands_in and stand_in is not None else tuple(there)
    found = BesideLate(method, branches, fused, stands_in)
    try:
        numbers = run.methods[method].tested
        theirs = [run.fold(fused[0], number) for number in numbers] if stands_in else fused_by_ranks(run, fused)
        ours = [run.fold(method, number) for number in numbers]
        both = {fold.fold: set(fold.outcome.patients) for fold in theirs}
        common = {fold.fold: sorted(both.get(fold.fold, set()) & set(fold.outcome.patients)) for fold in ours}
        ours, theirs = ([_only(fold, common[fold.fold]) for fold in each] for each in (ours, theirs))
        return replace(found, difference=compare(ours, theirs, draws=run.draws, seed=run.provenance.seed or 0))
    except (MetricError, KeyError) as cause:
        why = str(cause) if isinstance(cause, MetricError) else "their folds are not all there."
        return replace(found, why=why)


def _title_of(run: Run, name: str) -> str | None:
    """The title of a method of the run, that without a label of its own before others."""
    having = [title for title, each in run.methods.items() if any(card.name == name for card in each.cards.values())]
    return name if name in having else next(iter(having), None)


def _only(fold: Fold, patients: Sequence[str]) -> Fold:
    place = {patient: i for i, patient in enumerate(fold.outcome.patients)}
    return fold.take(np.array([place[patient] for patient in patients], dtype=np.int64))
