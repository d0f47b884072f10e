"""Slides of a folder -> embeddings, without a study: which slides, by which encoders, which patches."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, get_args

from prognoscope.core.errors import FeatureError, InputError, MissingFileError, nearest, some
from prognoscope.core.parallel import need_cluster
from prognoscope.core.settings import made_whole
from prognoscope.core.slide_names import slide_name
from prognoscope.features.encoders import encoder_name, has_precision
from prognoscope.features.encoders.base import AskedPrecision
from prognoscope.features.extract import ExtractionReport, FeatureSpec, extract_slides
from prognoscope.features.stain_norm import StainNorm
from prognoscope.slides.readers.folder import SlideFolder, look_for_slides
from prognoscope.slides.readers.zarr_folder import is_image
from prognoscope.study.devices import device_of

Kind = TypeVar("Kind", bound=str)  # of a Literal


def extract_folder(
    slides: Path,
    out: Path,
    encoders: Sequence[str],
    *,
    weights: Sequence[str] = (),
    patch_px: int = 256,
    mpp: float = 0.5,
    slide_mpp: float | None = None,
    coords: Path | None = None,
    regions: Path | None = None,
    outside: bool = False,
    stain_norm: str | None = None,
    save_patches: int = 0,
    precision: str | None = None,
    shard: str | None = None,
    workers: int = 1,
    cluster: str = "",
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> ExtractionReport:
    """One file a slide in `out`, or of several encoders in a folder of each; continues where it was stopped.

    Args:
        slides: A folder, or one slide.
        encoders: Their names; all see the same patches, which are read once.
        weights: None, or for each encoder a file, a folder, "hub" or "hub@REVISION".
        patch_px: Side of a patch, in pixels.
        mpp: um per pixel of a patch.
        slide_mpp: um per pixel of level 0 of all slides, where the files do not say it.
        coords: A folder of coordinate files of TRIDENT or CLAM, whose patches are taken.
        regions: A folder of areas that QuPath drew, in which patches have to lie; `outside`: in none of which.
        stain_norm: The normalisation of stains, macenko or reinhard.
        save_patches: How many patches of each slide are kept as PNG files.
        precision: Of networks, "bf16" or "float32"; None: as published on a GPU, float32 on a CPU.
        shard: "3/16": the third of sixteen parts of the slides.
        cluster: The address of a Ray cluster, whose machines take the place of processes here.
        progress: Called with the number of finished and of all slides.

    Raises:
        InputError: Something asked for cannot be; says what.
    """
    if cluster:
        need_cluster(cluster, workers)
    names = [encoder_name(each) for each in encoders]
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise FeatureError(f"The encoder {some(twice)} is named twice; name it once.")
    if weights and len(weights) != len(names):
        raise FeatureError(
            f"--weights is given {len(weights)} times for {len(names)} encoders; give it once for each, in their order."
        )
    without = [name for name in names if not has_precision(name)]
    if precision is not None and 0 < len(without) < len(names):
        raise FeatureError(
            f"--precision is asked of networks that timm builds, and {some(without)} is none; extract them in two "
            "commands, and with --precision the others alone."
        )
    for each in (coords, regions):
        if each is not None and not each.is_dir():
            raise MissingFileError(f"The folder {each} does not exist. Correct --coords or --regions.")
    if not slides.exists():
        raise MissingFileError(f"There is neither a folder nor a slide {slides}. Name one that is there.")
    here = Path.cwd() if cluster else Path()  # where its machines do not work
    slides = here / slides
    is_folder = slides.is_dir() and not is_image(slides)
    found = look_for_slides(slides) if is_folder else SlideFolder({slide_name(slides.name): slides}, ())
    if not found.slides:
        why = "".join(f"{note} " for note in found.notes)
        raise MissingFileError(f"{slides} holds no slides. {why}Name the folder that does.")
    chosen = part_of(found.slides, shard)
    given = [None if each == "none" else each for each in weights] or [None] * len(names)
    specs = [
        FeatureSpec(
            encoder=name,
            weights=each,
            patch_px=patch_px,
            mpp=mpp,
            coords=None if coords is None else str(coords),
            regions=None if regions is None else str(regions),
            outside=outside,
            stain_norm=_one_of(get_args(StainNorm), stain_norm, "stain normalisation"),
            save_patches=save_patches,
            precision=_one_of(get_args(AskedPrecision), precision, "precision"),
        )
        for name, each in zip(names, given, strict=True)
    ]
    finished: list[str] = []

    def count(slide: str, state: str) -> None:
        finished.append(slide)
        if progress is not None:
            progress(len(finished), len(chosen))

    report = extract_slides(
        chosen,
        here / out,
        [made_whole(each, here) for each in specs],
        mpp=slide_mpp,
        workers=workers,
        cluster=cluster,
        device=device_of(device),
        on_progress=count,
    )
    return replace(report, notes=(*found.notes, *report.notes))


def _one_of(kinds: tuple[Kind, ...], name: str | None, what: str) -> Kind | None:
    """The kind of this name; None where none is named."""
    if name is None:
        return None
    for kind in kinds:
        if kind == name:
            return kind
    raise FeatureError(f"There is no {what} {name!r}; {nearest(name, kinds)}")


def part_of(slides: dict[str, Path], shard: str | None) -> dict[str, Path]:
    """The slides of one shard: of "3/16" each sixteenth by name, from the third on.

    Raises:
        InputError: It is no shard.
    """
    if shard is None:
        return slides
    said = re.fullmatch(r"(\d+)/(\d+)", shard)
    part, of = (int(said[1]), int(said[2])) if said else (0, 0)
    if not 1 <= part <= of:
        raise InputError(
            f"--shard is {shard!r}, and has to be a part and their number, such as 3/16 for the third of 16."
        )
    return {slide: slides[slide] for slide in sorted(slides)[part - 1 :: of]}
