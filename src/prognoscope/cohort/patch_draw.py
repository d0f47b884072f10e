"""Which patches of a training bag an epoch sees."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class PatchDraw:
    """A draw of patches for each place of an epoch's order, whatever else is drawn and in whatever order it is asked.

    With shares (a, b): trunc(p N) of N patches, at least 1, with replacement, p uniform between a and b.
    With a number: at most so many, without replacement. Drawn patches stay in the order of the bag.
    """

    shares_or_most: tuple[float, float] | int
    seed: tuple[int, int]  # of the study, and the epoch

    def count(self, place: int, length: int) -> int:
        """How many of a bag's patches are seen at this place."""
        if isinstance(self.shares_or_most, int):
            return min(length, self.shares_or_most)
        return _share(self.shares_or_most, self._generator(place), length)

    def rows(self, place: int, length: int) -> np.ndarray | None:
        """Which of a bag's patches are seen at this place, ascending; None: all of them."""
        generator = self._generator(place)
        if not isinstance(self.shares_or_most, int):
            count = _share(self.shares_or_most, generator, length)
            return np.sort(generator.integers(0, length, count)) if length else None
        if length <= self.shares_or_most:
            return None
        return np.sort(generator.choice(length, self.shares_or_most, replace=False, shuffle=False))

    def _generator(self, place: int) -> np.random.Generator:
        # a key of its own: seeds that differ by zeros at their end are the same seed
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(place,)))


def _share(shares: tuple[float, float], generator: np.random.Generator, length: int) -> int:
    return min(length, max(1, int(generator.uniform(*shares) * length)))
