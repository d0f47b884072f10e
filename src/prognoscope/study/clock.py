"""How far a run is, and how long it will take, from the seconds that each method was seen to need.

Methods differ a thousandfold in cost, so a share of epochs says little. Every piece of work is of a kind, such as the
folds of one method; what one of a kind took is expected of the others, and a rough guess of kinds not yet seen is
corrected by what was seen of the rest. What is left is told once most of it is of kinds that were seen, for a guess may
be a hundred times off.
"""

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Work:
    """One piece: a fold of a method to train, say."""

    kind: str  # pieces of one kind take about as long
    guess_s: float  # relative to the other guesses; replaced as soon as its kind was seen
    label: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands."""

    share: float  # of the work, in time
    left_s: float | None  # None until it is known well
    doing: str


@dataclass(slots=True)
class _Seen:
    """Of a piece that was begun."""

    begun: float
    first: tuple[float, float] | None = None  # when it was first told how far it is, and that share
    last: tuple[float, float] | None = None

    def expected(self) -> float | None:
        """Seconds of the whole piece; None while there is nothing to go by. What precedes the epochs comes once, and
        nobody knows how much of the first it was.
        """
        if self.first is None or self.last is None or self.last[1] <= self.first[1]:
            return None
        (t1, s1), (t2, s2) = self.first, self.last
        each = (t2 - t1) / (s2 - s1)
        return max(0.0, t1 - self.begun - s1 * each) + each


class Clock:
    """Told what is begun and finished, it tells where the run stands."""

    def __init__(self, work: Mapping[Any, Work], *, workers: int = 1, now: Callable[[], float] = time.monotonic):
        self.work, self.workers, self.now = work, workers, now
        self.seen: dict[Hashable, _Seen] = {}
        self.took: dict[str, list[float]] = {}  # by kind
        self.done: set[Hashable] = set()
        self.shown = 0.0
        self.doing = ""

    def begin(self, key: Hashable) -> None:
        """A piece is worked on from now."""
        self.seen.setdefault(key, _Seen(self.now()))
        self.doing = self.work[key].label

    def advance(self, key: Hashable, done: int, of: int) -> None:
        """So many of a piece's epochs are finished."""
        self.begin(key)
        seen, here = self.seen[key], (self.now(), done / of)
        if done:
            seen.first, seen.last = seen.first or here, here
        self.doing = f"{self.work[key].label}, epoch {done} of {of}"

    def finish(self, key: Hashable, *, counts: bool = True) -> None:
        """A piece is done.

        Args:
            counts: Whether it was done from its beginning and to its end, so that others of its kind take as long.
        """
        self.done.add(key)
        if key in self.seen:
            seconds = self.now() - self.seen.pop(key).begun
            if counts:
                self.took.setdefault(self.work[key].kind, []).append(seconds)

    def standing(self) -> Standing:
        """Where the run stands now. The share never falls, though what is left may grow as more is known."""
        now = self.now()
        kinds = {kind: sum(seconds) / len(seconds) for kind, seconds in self.took.items()}
        guesses = {each.kind: each.guess_s for each in self.work.values()}
        running = {key: seen.expected() for key, seen in self.seen.items()}
        for key, seconds in running.items():
            if seconds is not None:
                kinds.setdefault(self.work[key].kind, seconds)
        if not kinds:
            return Standing(self.shown, None, self.doing)
        factor = median(max(seconds, 1e-6) / guesses[kind] for kind, seconds in kinds.items())
        worked, guessed, left = 0.0, 0.0, []
        for key, each in self.work.items():
            whole = running.get(key) or kinds.get(each.kind, each.guess_s * factor)
            if key in self.done:
                worked += whole
                continue
            gone = 0.0
            if key in self.seen:
                seen = self.seen[key]
                resumed = 0.0 if seen.last is None else seen.last[1] * whole  # it may have begun half done
                gone = min(max(now - seen.begun, resumed), 0.99 * whole)
            worked += gone
            left.append(whole - gone)
            guessed += 0.0 if each.kind in kinds else left[-1]
        if left:
            self.shown = max(self.shown, min(0.99, worked / max(worked + sum(left), 1e-9)))
            at_once = max(self.workers, len(self.seen))  # others may share the work
            seconds = max(sum(left) / at_once, max(left)) if guessed <= 0.5 * sum(left) else None
            return Standing(self.shown, seconds, self.doing)
        return Standing(1.0, 0.0, self.doing)


class Several:
    """Where several runs stand that come one after the other and take about as long, such as those of seeds."""

    def __init__(self, runs: int, what: str, *, now: Callable[[], float] = time.monotonic):
        self.runs, self.what, self.now = runs, what, now
        self.number, self.begun, self.longest = 0, 0.0, 0.0

    def begin(self) -> None:
        """The next run is begun; the one before it, if any, is done."""
        if self.number:  # of what was there already nothing can be learned, so the longest counts
            self.longest = max(self.longest, self.now() - self.begun)
        self.number, self.begun = self.number + 1, self.now()

    def whole(self, of_run: Standing) -> Standing:
        """Where all of them stand, by where the present one does."""
        left, later = of_run.left_s, self.runs - self.number
        if left is not None:
            left += later * max(self.longest, self.now() - self.begun + left)
        doing = f"{self.what} {self.number} of {self.runs}: {of_run.doing}"
        return Standing((self.number - 1 + of_run.share) / self.runs, left, doing)
