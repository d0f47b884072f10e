"""Follow-up, its division into time bins, and predictions of it (numpy)."""

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

    def __post_init__(self):
        bad = [p for p, t in zip(self.patients, self.time, strict=True) if not (np.isfinite(t) and t >= 0)]
        if bad:
            raise CohortError(f"The time of {len(bad)} patients is missing, infinite or negative: {some(bad)}.")

    def __len__(self) -> int:
        return len(self.patients)

    def take(self, index: Int[np.ndarray, " Q"]) -> "Outcome":
        """The outcome of the patients at these positions, in this order."""
        return Outcome(tuple(self.patients[i] for i in index), self.time[index], self.event[index])


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
        bad = [p for p, r in zip(self.patients, self.risk, strict=True) if not np.isfinite(r)]
        if bad:
            raise InputError(f"The risk of {len(bad)} patients is not a finite number: {some(bad)}.")
