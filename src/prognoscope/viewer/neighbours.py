"""The patches of a cohort whose embeddings are most like one's: read slide by slide, so that memory stays small."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from prognoscope.core.errors import FeatureError
from prognoscope.features.store import Embeddings, read_embeddings
from prognoscope.viewer.originals import Originals

MOST = 8  # patches that are shown
MOST_OF_A_SLIDE = 2
ROWS = 4096  # embeddings that are compared at once


@dataclass(frozen=True, slots=True, order=True)
class Neighbour:
    """A patch, and how alike it is."""

    likeness: float  # cosine
    patient: str
    slide: str
    x: int
    y: int
    side_px: float


@dataclass(slots=True)
class Search:
    """A search that goes on slide by slide.

    Args:
        originals: Where the embeddings lie.
        slide: Whose patch is looked for.
        x: Left edge of the patch, level 0.
        y: Top edge, likewise.
    """

    originals: Originals
    slide: str
    x: int
    y: int
    found: list[Neighbour] = field(default_factory=list)
    seen: int = 0  # slides
    passed: int = 0  # slides whose embeddings could not be read

    def steps(self) -> Iterator[int]:
        """Compare one slide at a time; gives how many have been.

        Raises:
            FeatureError: The patch has no embedding.
        """
        asked = self._asked()
        owners = {slide: patient for patient, slides in self.originals.slides.items() for slide in slides}
        for slide in self.originals.embeddings:
            if slide in owners:
                try:
                    self._compare(asked, slide, owners[slide])
                except FeatureError:
                    self.passed += 1
            self.seen += 1
            yield self.seen

    def _asked(self) -> Float32[np.ndarray, " D"]:
        if self.slide not in self.originals.embeddings:
            raise FeatureError(
                f"There are no embeddings of {self.slide} where the run's study says, so no patches are compared."
            )
        own = self._read(self.slide)
        at = (
            np.empty(0, np.int64)
            if own.coords_px is None
            else np.flatnonzero((own.coords_px == (self.x, self.y)).all(1))
        )
        if not len(at):
            raise FeatureError(f"The embeddings of {self.slide} have none at {self.x}, {self.y}.")
        return own.features[at[0]].astype(np.float32)

    def _read(self, slide: str) -> Embeddings:
        told = self.originals
        return read_embeddings(told.embeddings[slide], told.layout, mpp=told.embeddings_mpp, slide=slide)

    def _compare(self, asked: Float32[np.ndarray, " D"], slide: str, patient: str) -> None:
        other = self._read(slide)
        if other.coords_px is None or other.embedding_dim != len(asked):
            self.passed += 1
            return
        likeness = np.concatenate(
            [_cosine(asked, other.features[at : at + ROWS]) for at in range(0, len(other), ROWS)] or [[]]
        )
        if slide == self.slide:
            likeness[(other.coords_px == (self.x, self.y)).all(axis=1)] = -np.inf
        side = float(other.patch_px_level0 or other.patch_px or 0)
        for row in np.argsort(-likeness, kind="stable")[:MOST_OF_A_SLIDE].tolist():
            x, y = other.coords_px[row].tolist()
            if np.isfinite(likeness[row]):
                self.found.append(Neighbour(round(float(likeness[row]), 6), patient, slide, x, y, side))
        self.found = heapq.nlargest(MOST, self.found)


def _cosine(asked: np.ndarray, others: np.ndarray) -> np.ndarray:
    others = others.astype(np.float32)
    norms = np.linalg.norm(others, axis=1) * np.linalg.norm(asked)
    return np.where(norms > 0, others @ asked / np.where(norms > 0, norms, 1.0), 0.0)
