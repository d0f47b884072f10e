"""The maps that `prognoscope explain` kept, slide by slide, for whoever writes them for another program."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prognoscope.core.errors import InputError, nearest, some
from prognoscope.core.words import typed
from prognoscope.report.heatmap.patch_map import PatchMap
from prognoscope.runs.explanations import KeptExplanation, ToldSlide
from prognoscope.runs.read import Run


@dataclass(frozen=True, slots=True)
class SlideMaps:
    """The maps of one slide by one method, the one that counts first; all have the same patches."""

    patient: str
    method: str
    told: ToldSlide
    side_px: float
    maps: tuple[PatchMap, ...]

    @property
    def slide(self) -> str:
        """What the slide is called."""
        return self.told.slide


def kept_maps(
    run: Run, *, method: str | None = None, patients: Sequence[str] = (), maps: Sequence[str] = ()
) -> list[SlideMaps]:
    """The maps of each slide, of all patients who were explained or of these.

    Args:
        method: Its title; by default all that have maps.
        maps: Their names; all by default, a method's own first.

    Raises:
        InputError: Nothing of the kind was explained, there is no such map, or places are not known in pixels.
    """
    kept = run.explanations
    if method is not None and method not in run.methods:
        raise InputError(f"The run {run.folder} has no method {method!r}; {nearest(method, run.methods)}")
    chosen = {title: kept.get(title, {}) for title in ([method] if method else kept)}
    absent = [patient for patient in patients if not any(patient in each for each in chosen.values())]
    if absent or not any(chosen.values()):
        asked = "".join(f" --patient {typed(each)}" for each in absent[:5]) or " --most 10"
        by = f" by {method}" if method else ""
        asked += f" --method {typed(method)}" if method else ""
        raise InputError(
            f"The run {run.folder} keeps no explanation of {some(absent) or 'any patient'}{by}, from which maps are "
            f"taken. Make it with `prognoscope explain {typed(run.folder)}{asked}`."
        )
    found = [
        slide
        for explained in chosen.values()
        for patient, one in explained.items()
        if not patients or patient in patients
        for slide in _slides_of(one, maps)
    ]
    if not found:
        names = dict.fromkeys(each.name for of in chosen.values() for one in of.values() for each in one.about.maps)
        if names and maps:
            raise InputError(f"There is no map {maps[0]!r}; {nearest(maps[0], names)}")
        raise InputError(f"{some(chosen)} made no map of patches, as by methods without slides. Name another --method.")
    return found


def _slides_of(kept: KeptExplanation, wanted: Sequence[str]) -> list[SlideMaps]:
    about, found = kept.about, []
    told = [each for each in about.maps if each.name in (wanted or [each.name])]
    told = sorted(told, key=lambda each: wanted.index(each.name)) if wanted else told
    for slide in about.slides if told else ():
        rows = kept.patches[kept.patches["slide_id"] == slide.slide]
        places = rows[["x", "y"]].to_numpy(float)
        if slide.side_px is None or slide.is_in_um or not np.isfinite(places).all():
            raise InputError(
                f"Where the patches of {slide.slide} lie is not known in pixels of the slide, by which other programs "
                "measure. Give um per pixel in the study (`features: {mpp: 0.25}`), or embeddings with coordinates, "
                "and start `prognoscope run` again."
            )
        corners = np.rint(places).astype(np.int64)
        maps = [
            PatchMap(e.name, rows[e.name].to_numpy(float), corners, slide.side_px, e.meaning, e.unit, e.is_signed)
            for e in told
        ]
        found.append(SlideMaps(about.patient, about.method, slide, slide.side_px, tuple(maps)))
    return found
