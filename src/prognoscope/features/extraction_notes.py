"""What should be known of slides that gave embeddings: enlarged ones, and much that was taken for ink or for glass."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from prognoscope.core.errors import FeatureError, some
from prognoscope.core.words import count
from prognoscope.features.hdf5_file import attributes, find_dataset, opened

ENLARGED = 1.05  # how much coarser than asked a slide may be without a word
MUCH_PALE = 0.1  # of tissue and what is paler together
MUCH_INK = 0.1  # of tissue and ink together


def extraction_notes(files: Mapping[str, Path], mpp: float | None) -> tuple[str, ...]:
    """Sentences on the slides of these embedding files, as their heads tell.

    Args:
        files: Slide -> its embedding file.
        mpp: um per pixel of the patches; None where the slides have their own.
    """
    told = {slide: _told(path) for slide, path in files.items()}
    resolutions = {slide: each.get("mpp") for slide, each in told.items()}
    inked = {slide: _share(each, "pen_mm2") for slide, each in told.items()}
    pale = {slide: _share(each, "pale_mm2") for slide, each in told.items()}
    return (*enlarged_slides(resolutions, mpp), *_inked(inked), *_pale(pale))


def _share(told: Mapping[str, float], area: str) -> float:
    """Of this area and tissue together."""
    return told.get(area, 0) / max(told.get(area, 0) + told.get("tissue_mm2", 0), 1e-9)


def enlarged_slides(resolutions: Mapping[str, float | None], mpp: float | None) -> Iterator[str]:
    """A sentence on the slides that are coarser than their patches."""
    if mpp is None:
        return
    factors = {slide: each / mpp for slide, each in resolutions.items() if each is not None and each > ENLARGED * mpp}
    if factors:
        named = some(f"{slide} {factor:.1f} times" for slide, factor in _falling(factors))
        yield (
            f"{count(len(factors), 'slide')} of {len(resolutions)} are coarser than the {mpp:g} um per pixel of their "
            f"patches, which are enlarged and show no more for it: {named}. Raise features.mpp, or leave them out."
        )


def _inked(shares: Mapping[str, float]) -> Iterator[str]:
    much = {slide: share for slide, share in shares.items() if share > MUCH_INK}
    if much:
        named = some(f"{slide} {share:.0%}" for slide, share in _falling(much))
        yield (
            f"Much was taken for ink of pens in {count(len(much), 'slide')}, of all that has colour: {named}. Look at "
            "their previews; if it is stain, set features.tissue.remove_pen to false."
        )


def _pale(shares: Mapping[str, float]) -> Iterator[str]:
    much = {slide: share for slide, share in shares.items() if share > MUCH_PALE}
    if much:
        named = some(f"{slide} {share:.0%}" for slide, share in _falling(much))
        yield (
            f"Much stands out of the glass in {count(len(much), 'slide')} and was not taken for tissue, being pale, of "
            f"all that does: {named}. Look at their previews; if it is tissue, such as a counterstain beside DAB, set "
            "features.tissue.saturation, to 0.05 for instance."
        )


def _falling(values: Mapping[str, float]) -> Iterable[tuple[str, float]]:
    return sorted(values.items(), key=lambda each: (-each[1], each[0]))


def _told(path: Path) -> dict[str, float]:
    try:
        with opened(path) as file:
            coords = find_dataset(path, file, "coords")
            told = {} if coords is None else attributes(coords)
    except FeatureError:  # whoever reads its embeddings says so
        return {}
    return {name: float(value) for name, value in told.items() if isinstance(value, int | float)}
