"""Which resolutions a microscope can have, in um per pixel."""

import math
from typing import Annotated

from annotated_types import Interval

# less is a slip by ten, more a default of software that knew no scanner (72 dots per inch give 352.8)
LEAST_MPP, LARGEST_MPP = 0.05, 10.0
Mpp = Annotated[float, Interval(ge=LEAST_MPP, le=LARGEST_MPP)]


def is_plausible(mpp: float) -> bool:
    """Whether a microscope can have this um per pixel."""
    return math.isfinite(mpp) and LEAST_MPP <= mpp <= LARGEST_MPP
