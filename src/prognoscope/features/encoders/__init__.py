"""The table of encoders, and how to make one."""

from pathlib import Path

from prognoscope.core.errors import FeatureError, nearest
from prognoscope.core.loading import load
from prognoscope.features.encoders.base import Encoder

ENCODERS = {
    "resnet50_trunc": "prognoscope.features.encoders.resnet:TruncatedResNet50",
    "stain": "prognoscope.features.encoders.stain:StainEncoder",
}


def create_encoder(name: str, *, weights: Path | str | None = None, device: str = "cpu") -> Encoder:
    """An encoder ready for use.

    Args:
        name: One of `ENCODERS`.
        weights: The file of its weights, or "hub" to fetch them; without either, only what lies on disk is used.
        device: Where it computes, such as "cpu" or "cuda".

    Raises:
        FeatureError: There is no such encoder, its package is not installed, or its weights do not fit.
        MissingFileError: Its weights are not on disk; says which file to put where.
    """
    if name not in ENCODERS:
        raise FeatureError(f"There is no encoder {name!r}; {nearest(name, ENCODERS)}")
    return load(ENCODERS[name])(weights=weights, device=device)
