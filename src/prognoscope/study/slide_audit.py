"""What the slides of a cohort say of themselves, before any is extracted: resolutions, and which look wrong."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median_high

import pandas as pd

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.errors import MissingFileError, PrognoscopeError, some
from prognoscope.core.words import count
from prognoscope.features.bad_files import BlockedFileError
from prognoscope.features.extract import FeatureSpec
from prognoscope.features.extraction_notes import enlarged_slides
from prognoscope.features.picks import need_picks
from prognoscope.features.source import why_to_embed
from prognoscope.slides.readers import find_slides, open_slide
from prognoscope.slides.readers.base import need_mpp
from prognoscope.study.inputs import slide_mpp
from prognoscope.study.left_out import too_many
from prognoscope.study.sections import SlidesSpec

FAR = 5.0  # times a slide may be off its cohort or its objective
UM_AT_1X = 10.0  # of a pixel, by custom: 0.25 um at 40x


@dataclass(frozen=True, slots=True)
class _Told:
    mpp: float
    magnification: float | None


@dataclass(frozen=True, slots=True)
class SlideAudit:
    """What a cohort's slides say."""

    table: pd.DataFrame  # how many have which resolution
    warnings: tuple[str, ...]
    stop: str = ""  # why a run would stop for them


def audit_slides(
    slides: SlidesSpec, cohort: Cohort, features: FeatureSpec, extracted: Mapping[str, Path] | None = None
) -> SlideAudit:
    """A look at every slide of the cohort, each of which is opened.

    Args:
        features: How they are to become embeddings.
        extracted: Slide -> embeddings, of those that may have been made.
    """
    found = find_slides(slides.folder)
    mpp = slide_mpp(slides, found)
    given = mpp if isinstance(mpp, dict) else dict.fromkeys(found, mpp)
    wanted = {slide for each in cohort.slides.values() for slide in each}
    told: dict[str, _Told] = {}
    bad: dict[str, str] = {}
    paths = {slide: str(path) for slide, path in found.items()}
    for slide, path in found.items():
        if slide not in wanted:
            continue
        try:
            with open_slide(path, mpp=given.get(slide)) as opened:
                said = _Told(need_mpp(opened), opened.magnification)
                need_picks(features.picks, slide, opened)
                told[slide] = said
        except PrognoscopeError as cause:
            bad[slide] = str(cause)
    known = Counter(f"{each.mpp:.3f} um per pixel" for each in told.values())
    rows = [
        *sorted(known.items()),
        ("cannot be used", len(bad)),
        ("in the folder, of no patient", len(set(found) - wanted)),
    ]
    table = pd.DataFrame(rows, columns=["resolution", "slides"])
    again = _again({slide: path for slide, path in found.items() if slide in wanted}, given, extracted or {}, features)
    lost = sum(again.get(slide, "") is not None for slide in bad)
    anew = [f"{slide} ({why})" for slide, why in again.items() if why and slide in told]
    warnings = [*_warnings(told, bad, paths, features.told_mpp)]
    if anew:
        warnings.append(f"A run embeds {count(len(anew), 'slide')} of {len(told)} again: {some(anew)}.")
    stop = ""
    if too_many(lost, len(bad) + len(told), slides.most_bad):
        stop = (
            f"{lost} of {len(bad) + len(told)} slides cannot be used, more than cohort.slides.most_bad allows "
            f"({slides.most_bad:g} of them), so a run would stop. Mend these, or allow more: {_faults(bad, paths)}"
        )
    return SlideAudit(table, tuple(warnings), stop)


def _again(
    slides: Mapping[str, Path], given: Mapping[str, float | None], extracted: Mapping[str, Path], features: FeatureSpec
) -> dict[str, str | None]:
    """Why slides that were embedded before have to be embedded again; None of those that need not."""
    found: dict[str, str | None] = {}
    for slide in slides.keys() & extracted.keys():
        with suppress(BlockedFileError, MissingFileError):  # extraction says so of each
            picked = features.picks.told(slide, slides[slide])
            found[slide] = why_to_embed(extracted[slide], slides[slide], given.get(slide), picked=picked)
    return dict(sorted(found.items()))


def _warnings(
    told: Mapping[str, _Told], bad: Mapping[str, str], paths: Mapping[str, str], patch_mpp: float | None
) -> Iterator[str]:
    if bad:
        yield f"{count(len(bad), 'slide')} of {len(bad) + len(told)} cannot be used: {_faults(bad, paths)}"
    resolutions = {slide: each.mpp for slide, each in told.items()}
    if resolutions:
        usual = median_high(resolutions.values())
        far = [f"{slide} {each:.3g}" for slide, each in resolutions.items() if _is_far(each, usual)]
        if far:
            yield (
                f"{count(len(far), 'slide')} of {len(told)} differ {FAR:g} times or more from the {usual:.3g} um per "
                f"pixel that is usual in this cohort: {some(far)}. Where that is a slip of a converter, give the right "
                "one in a column `mpp` of the slide table."
            )
    odd = [
        f"{slide} ({each.mpp:.3g} um at {each.magnification:g}x)"
        for slide, each in told.items()
        if each.magnification and _is_far(each.mpp, UM_AT_1X / each.magnification)
    ]
    if odd:
        yield (
            f"{count(len(odd), 'slide')} of {len(told)} say a resolution that is {FAR:g} times or more off their "
            f"objective: {some(odd)}. Give the right one in a column `mpp` of the slide table."
        )
    yield from enlarged_slides(resolutions, patch_mpp)


def _faults(bad: Mapping[str, str], paths: Mapping[str, str]) -> str:
    """Each fault once, with the slides that have it."""
    alike: dict[str, list[str]] = {}
    for slide, why in bad.items():
        alike.setdefault(why.replace(paths[slide], "").replace(slide, ""), []).append(slide)
    faults = [f"{some(slides)} ({bad[slides[0]].rstrip('.')})" for slides in alike.values()]
    return f"{'; '.join(faults[:5])}{f'; and {len(faults) - 5} other faults' if len(faults) > 5 else ''}."


def _is_far(one: float, other: float) -> bool:
    return max(one, other) >= FAR * min(one, other) * 0.999
