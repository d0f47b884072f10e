"""What the training patients of a model are like as a whole: nobody's own values, so that it may leave the house."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from prognoscope.core.errors import InputError
from prognoscope.core.files import need_file, written_whole
from prognoscope.runs.manifest import checked

SHARES = np.linspace(0.01, 0.99, 99)  # whose quantiles are kept
MOST_AXES, PATIENTS_AN_AXIS = 8, 10
CLOUD = ("mean", "axes", "spread", "distances")  # its arrays
PARTS = 5  # of which each is measured against the others


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where the mean embeddings of bags lie, by r principal axes and how far they stray from these."""

    mean: Float[np.ndarray, " D"]
    axes: Float[np.ndarray, "r D"]
    spread: Float[np.ndarray, " r"]  # SD along each
    rest: float  # root mean square of what the axes leave
    distances: Float[np.ndarray, " Q"]  # quantiles of training patients, each measured without their part

    @classmethod
    def fit(cls, vectors: Float[np.ndarray, "P D"]) -> "Cloud":
        """The cloud of these patients; each fifth of them is measured against the others."""
        whole = cls._of(vectors)
        part = np.arange(len(vectors)) % PARTS
        told = [cls._of(vectors[part != k]).distance(vectors[part == k]) for k in range(PARTS)]
        quantiles = np.quantile(np.concatenate(told), SHARES)
        return cls(whole.mean, whole.axes, whole.spread, whole.rest, quantiles)

    @classmethod
    def _of(cls, vectors: Float[np.ndarray, "P D"]) -> "Cloud":
        mean = vectors.mean(axis=0)
        apart = vectors - mean
        _, lengths, axes = np.linalg.svd(apart, full_matrices=False)
        kept = max(1, min(MOST_AXES, len(vectors) // PATIENTS_AN_AXIS, int((lengths > 1e-9 * lengths[0]).sum())))
        left = apart - (apart @ axes[:kept].T) @ axes[:kept]
        rest = float(np.sqrt((left**2).sum(axis=1).mean()))
        return cls(mean, axes[:kept], lengths[:kept] / np.sqrt(len(vectors)), rest, np.empty(0))

    def distance(self, vectors: Float[np.ndarray, "P D"]) -> Float[np.ndarray, " P"]:
        """How far patients are from the middle: squares along the axes in their SDs, and the rest as one axis more."""
        apart = vectors - self.mean
        along = apart @ self.axes.T
        left = ((apart - along @ self.axes) ** 2).sum(axis=1)
        inside = ((along / np.maximum(self.spread, 1e-12)) ** 2).sum(axis=1)
        return np.sqrt(inside + left / max(self.rest, 1e-12) ** 2)


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """What a model keeps of the patients whom it learned from."""

    patients: int
    events: int
    last_month: float  # of their follow-up, beyond which nothing is known
    genes: Float[np.ndarray, " Q"] | None = None  # quantiles of the root mean square of scaled genes
    bags: Cloud | None = None


def share_below(values: Float[np.ndarray, " P"], quantiles: Float[np.ndarray, " Q"]) -> Float[np.ndarray, " P"]:
    """The share of training patients below each value, as far as the quantiles tell: 0 to 1 in steps of 0.01."""
    return np.searchsorted(quantiles, values, "left") / (len(quantiles) + 1)


def write_summary(path: Path, summary: TrainingSummary) -> None:
    """Write a summary."""
    tensors = {} if summary.genes is None else {"genes": summary.genes}
    about: dict[str, object] = {name: getattr(summary, name) for name in ("patients", "events", "last_month")}
    if summary.bags is not None:
        tensors |= {f"bags.{name}": getattr(summary.bags, name) for name in CLOUD}
        about["rest"] = summary.bags.rest
    values = {name: np.ascontiguousarray(each, dtype=np.float64) for name, each in tensors.items()}
    with written_whole(path) as beside:
        save_file(values, beside, metadata={"about": json.dumps(about)})


def read_summary(path: Path) -> TrainingSummary:
    """The summary in a file.

    Raises:
        MissingFileError: There is none.
        InputError: The file is damaged.
    """
    path = checked(need_file(path, "The summary of training patients", "Train again, with the command that made it."))
    try:
        with safe_open(path, "numpy") as file:
            about = json.loads(file.metadata()["about"])
            tensors: Mapping[str, np.ndarray] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        bags = None
        if "bags.mean" in tensors:
            mean, axes, spread, distances = (tensors[f"bags.{name}"] for name in CLOUD)
            bags = Cloud(mean, axes, spread, float(about["rest"]), distances)
        sizes = int(about["patients"]), int(about["events"]), float(about["last_month"])
    except (SafetensorError, KeyError, TypeError, ValueError) as cause:
        raise InputError(f"{path} is no summary of training patients ({cause}). Train again.") from cause
    return TrainingSummary(*sizes, tensors.get("genes"), bags)
