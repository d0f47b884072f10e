"""Painted tissue as pyramidal TIFF files that OpenSlide opens."""

from pathlib import Path

import pandas as pd

from prognoscope.core.errors import InputError
from prognoscope.simulation.tissue_classes import Factors


def paint_slide_file(
    path: Path, factors: Factors, side_px: int, seed: int, *, patient: int, slide: int, site: int
) -> pd.DataFrame:
    """Paint one slide of a patient and write it; returns the truth about its patches."""
    raise InputError("Slides cannot be painted yet. Simulate with features_only=True.")
