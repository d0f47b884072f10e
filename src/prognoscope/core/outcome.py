"""Follow-up, its division into time bins, and predictions of it (numpy)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from prognoscope.core.errors import CohortError, InputError, some


@dataclass(frozen=True, slots=True)
class Outcome:
    """The follow-up of P patients."""

    patients: tuple[str, ...]
    time: Float[np.ndarray, " P"]  # months to the event or to last follow-up
    event: Bool[np.ndarray, " P"]  # True: observed. False: censored.
    competing: Bool[np.ndarray, " P"] | None = None  # True: another event came first; None: no event can

    def __post_init__(self):
        _check_lengths(self.patients, times=self.time, events=self.event)
        if self.competing is not None and (both := np.flatnonzero(self.competing & self.event)).size:
            raise CohortError(
                f"{len(both)} patients have the event and a competing one: {some(self.patients[i] for i in both)}. "
                "Only the first of them counts."
            )
        bad = [p for p, t in zip(self.patients, self.time, strict=True) if not (np.isfinite(t) and t >= 0)]
        if bad:
            raise CohortError(f"The time of {len(bad)} patients is missing, infinite or negative: {some(bad)}.")

    def __len__(self) -> int:
        return len(self.patients)

    def take(self, index: Int[np.ndarray, " Q"]) -> "Outcome":
        """The outcome of the patients at these positions, in this order."""
        competing = None if self.competing is None else self.competing[index]
        return Outcome(tuple(self.patients[i] for i in index), self.time[index], self.event[index], competing)

    @staticmethod
    def joined(parts: "Sequence[Outcome]") -> "Outcome":
        """The patients of several outcomes, one after another; nothing competes where nothing does in any."""
        competing = None
        if any(part.competing is not None for part in parts):
            none = [np.zeros(len(part), dtype=bool) if part.competing is None else part.competing for part in parts]
            competing = np.concatenate(none)
        time, event = (np.concatenate([getattr(part, name) for part in parts]) for name in ("time", "event"))
        return Outcome(tuple(p for part in parts for p in part.patients), time, event, competing)

    @property
    def any_event(self) -> Bool[np.ndarray, " P"]:
        """Whether follow-up ended in an event, of interest or competing, and not by censoring."""
        return self.event if self.competing is None else self.event | self.competing

    @property
    def time_free(self) -> Float[np.ndarray, " P"]:
        """Months that patients were free of the event of interest: who had a competing one will never have it, and is
        beyond everybody else. By these times and `event`, Harrell's C-index is the one for competing risks.

        Source: Wolbers et al.: Prognostic models with competing risks. Epidemiology 2009.
        """
        if self.competing is None or not len(self):
            return self.time
        return np.where(self.competing, self.time.max() + 1.0, self.time)


@dataclass(frozen=True, slots=True)
class TimeBins:
    """K half-open intervals [start, end) of time, in months."""

    edges: Float[np.ndarray, " K_plus_1"]  # ascending; the outer edges may be infinite

    def __post_init__(self):
        if len(self.edges) < 2 or not np.all(np.diff(self.edges) > 0):
            raise InputError(f"Time bins need ascending edges, not {self.edges.tolist()}.")

    def __len__(self) -> int:
        return len(self.edges) - 1

    @classmethod
    def fit(
        cls,
        time: Float[np.ndarray, " P"],
        event: Bool[np.ndarray, " P"],
        *,
        n_bins: int = 4,
        closed_ends: bool = False,
    ) -> "TimeBins":
        """Bins whose inner edges are quantiles of the observed event times, by linear interpolation.

        Args:
            closed_ends: The published rule, whose outer edges are the smallest time of all patients minus 1e-6
                and the largest plus 1e-6. By default they are infinite, so that later patients fall into a bin too.

        Raises:
            CohortError: There are too few distinct event times.

        Source: Chen et al., Multimodal co-attention transformer, ICCV 2021, and its successors' released code.
        """
        if not event.any():
            raise CohortError("No event was observed, so time bins cannot be fitted. Check the event column.")
        edges = _edges(time, event, n_bins, closed_ends)
        if not np.all(np.diff(edges) > 0):
            most = cls.most(time, event, n_bins=n_bins, closed_ends=closed_ends)
            cure = f"Set training.n_bins to {most}." if most > 1 else "No number of bins fits these times."
            raise CohortError(
                f"{event.sum()} events at {len(np.unique(time[event]))} distinct times do not give {n_bins} time bins: "
                f"their quantiles repeat ({', '.join(f'{edge:g}' for edge in edges[1:-1])}). {cure}"
            )
        return cls(edges)

    @classmethod
    def most(
        cls, time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"], *, n_bins: int, closed_ends: bool = False
    ) -> int:
        """The largest number of bins up to `n_bins` that these patients give; 0 without events, 1 if not even two."""
        numbers = range(n_bins if event.any() else 0, 1, -1)
        found = (n for n in numbers if np.all(np.diff(_edges(time, event, n, closed_ends)) > 0))
        return next(found, int(event.any()))

    def told_at(self, last: float) -> Float[np.ndarray, " K"]:
        """The months at which the survival of each bin is told: its end, of an open last bin the last training time.

        Args:
            last: The last time of the training patients.
        """
        ends = self.edges[1:].astype(np.float64)
        if ends[-1] == np.inf:
            ends[-1] = last if len(ends) == 1 or last > ends[-2] else ends[-2] + 1e-6
        return ends

    def label(self, time: Float[np.ndarray, " P"]) -> Int[np.ndarray, " P"]:
        """The bin of each time; times beyond the outer edges fall into the first or last bin."""
        return np.clip(np.searchsorted(self.edges, time, side="right") - 1, 0, len(self) - 1).astype(np.int64)


def _edges(
    time: Float[np.ndarray, " P"], event: Bool[np.ndarray, " P"], n_bins: int, closed_ends: bool
) -> Float[np.ndarray, " K_plus_1"]:
    """Edges as `TimeBins.fit` wants them, which may repeat."""
    edges = np.quantile(time[event].astype(np.float64), np.linspace(0, 1, n_bins + 1))
    edges[0], edges[-1] = (time.min() - 1e-6, time.max() + 1e-6) if closed_ends else (-np.inf, np.inf)
    return edges


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of P patients."""

    patients: tuple[str, ...]
    risk: Float[np.ndarray, " P"]  # higher is worse
    survival: Float[np.ndarray, "P K"]  # chance of outliving each bin

    def __post_init__(self):
        _check_lengths(self.patients, risks=self.risk, curves=self.survival)
        bad = [p for p, r in zip(self.patients, self.risk, strict=True) if not np.isfinite(r)]
        if bad:
            raise InputError(f"The risk of {len(bad)} patients is not a finite number: {some(bad)}.")


def _check_lengths(patients: tuple[str, ...], **arrays: np.ndarray) -> None:
    if told := [f"{len(array)} {name}" for name, array in arrays.items() if len(array) != len(patients)]:
        raise InputError(f"{' and '.join(told)} are given for {len(patients)} patients. Give one of each a patient.")
