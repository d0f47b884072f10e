"""One map of one slide: a value for each of its patches, and what it means."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from prognoscope.core.errors import InputError

NAME = re.compile(r"\w[\w.-]{0,79}", re.ASCII)  # it becomes a part of file names
FARTHEST_PX = 2**40
ROUNDING_PX = 1.0  # by which neighbours may overlap because corners are whole pixels and sides are not


@dataclass(frozen=True, slots=True)
class PatchMap:
    """One map of one slide; it may have no patches, and a patch may have no value."""

    name: str  # a safe word such as "attention"
    values: Float[np.ndarray, " N"]  # NaN: no value
    coords_px: Int[np.ndarray, "N 2"]  # top left corners in level-0 pixels, x and y
    side_px: float  # side of a patch in level-0 pixels; need not be whole
    meaning: str  # a sentence: what a high value means
    unit: str  # "share of attention", "log risk", ...
    is_signed: bool  # about 0, above which the risk rises; else from low to high
    judged: str = ""  # how far it says what the model does, in sentences

    def __post_init__(self):
        if not NAME.fullmatch(self.name):
            raise InputError(
                f"A patch map cannot be called {self.name!r}: its name is up to 80 letters, digits, '_', '-' and '.', "
                "and begins with a letter, a digit or '_'."
            )
        if self.values.ndim != 1 or self.coords_px.shape != (len(self.values), 2):
            raise InputError(
                f"The patch map {self.name} has values of shape {self.values.shape} and coordinates of shape "
                f"{self.coords_px.shape}; N values need coordinates of shape (N, 2)."
            )
        if not (np.isfinite(self.side_px) and self.side_px > 0):
            raise InputError(
                f"The patch map {self.name} has patches of {self.side_px} level-0 pixels; give their side, above 0."
            )
        if len(self.coords_px) and np.abs(self.coords_px.astype(np.float64)).max() > FARTHEST_PX:  # NaN made whole
            raise InputError(f"The patch map {self.name} has a coordinate that no slide has: none was known, perhaps.")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def has_value(self) -> Bool[np.ndarray, " N"]:
        """Which patches have a value; infinite ones are none."""
        return np.isfinite(self.values)

    @property
    def words(self) -> str:
        """The name as people write it."""
        return self.name.replace("_", " ")

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what the patches cover, in level-0 pixels; nothing without patches."""
        if not len(self):
            return 0.0, 0.0, 0.0, 0.0
        (left, top), (right, bottom) = self.coords_px.min(axis=0), self.coords_px.max(axis=0) + self.side_px
        return float(left), float(top), float(right), float(bottom)

    def percentiles(self) -> Float[np.ndarray, " N"]:
        """How many percent of the patches with a value lie below each, half of its equals counted; NaN without one."""
        values = np.where(self.has_value, self.values, np.nan).astype(np.float64)
        known = np.sort(values[self.has_value])
        below, up_to = (np.searchsorted(known, values, side) for side in ("left", "right"))
        return np.where(self.has_value, (below + up_to) * 50.0 / max(1, len(known)), np.nan)


def overlaps(patch_map: PatchMap) -> bool:
    """Whether patches lie over each other by more than the rounding of their corners."""
    if len(patch_map) < 2:
        return False
    apart = np.asarray(KDTree(patch_map.coords_px).query(patch_map.coords_px, k=2, p=np.inf)[0])
    return bool(apart[:, 1].min() < patch_map.side_px - ROUNDING_PX)
