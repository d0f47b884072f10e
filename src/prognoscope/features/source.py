"""The slide that embeddings were made of: what their file keeps of it, and whether it is still the same."""

from collections.abc import Mapping
from math import isclose
from pathlib import Path

from prognoscope.core.errors import FeatureError, SlideError
from prognoscope.features.bad_files import BadFileError, BlockedFileError
from prognoscope.features.hdf5_file import attributes, find_dataset, opened
from prognoscope.slides.content import slide_sum
from prognoscope.slides.readers import open_slide

SUM, GIVEN = "slide_sum", "mpp_given"  # attributes of an embedding file
PICKED = "picked_by"  # another: stands for the files that chose its patches


def made_of_slide(path: Path, mpp: float | None) -> dict[str, object]:
    """What an embedding file keeps of its slide.

    Args:
        mpp: um per pixel of level 0, if the study gives it.
    """
    return {SUM: slide_sum(path), GIVEN: mpp}


def told_sum(path: Path) -> str | None:
    """What an embedding file keeps of the content of its slide; None where it keeps nothing, or is none of ours."""
    if path.suffix.lower() not in (".h5", ".hdf5", ".hdf"):
        return None
    try:
        with opened(path) as file:
            found = find_dataset(path, file, "features")
            told = None if found is None else attributes(found).get(SUM)
    except BadFileError:  # whoever reads the embeddings says so
        return None
    return None if told is None else str(told)


def is_replaced(slide: Path, embeddings: Path | None) -> bool:
    """Whether a slide is another one than its embeddings were made of, as far as their file tells.

    Raises:
        OSError: The slide cannot be read.
    """
    told = None if embeddings is None else told_sum(embeddings)
    return told is not None and told != slide_sum(slide)


def why_again(path: Path, mpp: float | None, told: Mapping[str, object], resolution: object) -> str:
    """Why embeddings that are there are not of the slide as it is now; "" if they are.

    Args:
        mpp: um per pixel of level 0, if the study gives it now.
        told: What the embedding file keeps; one of an earlier version keeps nothing of the slide.
        resolution: um per pixel of level 0 by which the embeddings were made.
    """
    if SUM in told and told[SUM] != slide_sum(path):
        return "the slide has changed since"
    if GIVEN in told:
        return "" if told[GIVEN] == mpp else f"um per pixel: given {_or(told[GIVEN])} then, {_or(mpp)} now"
    now = mpp
    if now is None:
        try:
            with open_slide(path) as slide:
                now = slide.mpp
        except SlideError:  # extraction will say why, if the embeddings are removed
            return ""
    is_same = isinstance(resolution, int | float) and now is not None and isclose(resolution, now, rel_tol=1e-6)
    return "" if is_same or now is None else f"{_or(resolution)} um per pixel then, {now:g} now"


def why_to_embed(
    embeddings: Path, slide: Path, mpp: float | None, *, picked: str = "", spec_hash: str | None = None
) -> str | None:
    """Why a slide has to be embedded, although a file is there; "" where none is, None if it need not.

    Args:
        mpp: um per pixel of level 0, if the study gives it now.
        picked: What stands for the files that choose its patches.
        spec_hash: Of the settings that are asked for; the answer begins with "spec" where others made the file. None:
            they are not compared.

    Raises:
        BlockedFileError: It is there, and cannot be read.
    """
    if not embeddings.exists():
        return ""
    try:
        with opened(embeddings) as file:
            features, coords = (find_dataset(embeddings, file, name) for name in ("features", "coords"))
            told = {} if features is None else attributes(features)
            resolution = None if coords is None else attributes(coords).get("mpp")
    except BlockedFileError:
        raise
    except FeatureError:  # truncated, for example by a copy that was broken off
        return "its file is damaged"
    if spec_hash is not None and told.get("spec_hash") != spec_hash:
        return f"spec {told.get('spec_hash') or 'none, so it was made elsewhere'}"
    if features is None:
        return "its file is damaged"
    if str(told.get(PICKED, "")) != picked:
        return "its coordinates or regions have changed since"
    return why_again(slide, mpp, told, resolution) or None


def _or(value: object) -> str:
    return "by the file" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
