"""Slides to embeddings: one file a slide, written whole; what is there is not done again unless its slide changed."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge

from prognoscope.core.claims import CLAIM, ClaimedError, claimed, tidy, wait_for_one
from prognoscope.core.errors import (
    DiskFullError,
    FeatureError,
    MissingFileError,
    PrognoscopeError,
    SlideError,
    UnwritableError,
    some,
)
from prognoscope.core.faults import is_out_of_memory
from prognoscope.core.files import digest
from prognoscope.core.parallel import Cluster, run_many
from prognoscope.core.settings import FilePath, NoPlace
from prognoscope.core.words import count, listed
from prognoscope.features.bad_files import BlockedFileError
from prognoscope.features.encoders import Encoder, create_encoder, encoder_name, has_precision
from prognoscope.features.encoders.base import AskedPrecision
from prognoscope.features.encoding import Spent, encode_patches, recoloured, save_patches, saved_patches
from prognoscope.features.extraction_notes import extraction_notes
from prognoscope.features.picks import Picks, grid_of_file, within_regions
from prognoscope.features.source import PICKED, made_of_slide, why_to_embed
from prognoscope.features.stain_norm import StainNorm
from prognoscope.features.store import Embeddings, write_embeddings
from prognoscope.slides.preview import preview_path, write_preview
from prognoscope.slides.readers import Slide, open_slide
from prognoscope.slides.tiling import PatchGrid, TilingSpec, tile
from prognoscope.slides.tissue import TissueSpec, segment_tissue

FEWEST_PX = 16  # of a patch's side; on fewer an encoder has nothing to look at
CHOSEN = ("coords", "regions", "outside", "stain_norm", "save_patches", "precision")  # came later, with their files
Weights = Annotated[FilePath, NoPlace(r"hub@\S+")]
State = Literal["done", "already", "failed", "held"]  # the last by another process
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FeatureSpec(TilingSpec):
    """Everything that decides the embeddings of a slide, besides the slide."""

    encoder: str = "stain"
    tissue: TissueSpec = field(default_factory=TissueSpec)
    weights: Weights | Literal["hub"] | None = None  # a file, its folder, "hub" or "hub@REVISION"; None: on disk
    coords: FilePath | None = None  # a folder of TRIDENT's or CLAM's coordinate files, whose patches are taken
    regions: FilePath | None = None  # a folder of <slide>.geojson by QuPath: patches whose centre lies in an area
    outside: bool = False  # of the regions, instead
    stain_norm: StainNorm | None = None  # stains brought to a stated target
    save_patches: Annotated[int, Ge(0)] = 0  # of each slide, kept as PNG files to be looked at
    precision: AskedPrecision | None = None  # of networks that timm builds; None: as published on a GPU, else float32

    def __post_init__(self):
        TilingSpec.__post_init__(self)
        if self.outside and self.regions is None:
            raise FeatureError("outside says which patches of regions are kept; name the folder of regions, too")
        sizes = [name for name in (each.name for each in fields(TilingSpec)) if getattr(self, name) != _usual(name)]
        if self.coords is not None and sizes:
            raise FeatureError(
                f"coordinate files say themselves which patches there are and how large; leave {listed(sizes)} out, or "
                "coords"
            )
        object.__setattr__(self, "encoder", encoder_name(self.encoder))
        if self.precision is not None and not has_precision(self.encoder):
            raise FeatureError(
                f"precision is asked of networks that timm builds, and {self.encoder} is none; leave it out"
            )
        if self.patch_px < FEWEST_PX:
            raise FeatureError(f"patch_px must be at least {FEWEST_PX} for an encoder, not {self.patch_px}")

    @property
    def picks(self) -> Picks:
        """Which patches are encoded, where that is not left to their tissue."""
        coords, regions = (None if each is None else Path(each) for each in (self.coords, self.regions))
        return Picks(coords, regions, self.outside)

    @property
    def told_mpp(self) -> float | None:
        """um per pixel of all patches; None where each slide's coordinate file says it."""
        return self.mpp if self.coords is None else None

    def decisive(self) -> dict[str, object]:
        """What decides on the embeddings of all slides alike: no places of files that decide slide by slide."""
        told = {name: value for name, value in asdict(self).items() if name not in CHOSEN}
        asked = {"stain_norm": self.stain_norm, "precision": self.precision}
        return told | self.picks.kind() | {name: value for name, value in asked.items() if value is not None}

    def hash(self, weights_hash: str) -> str:
        """Stands for all of that; for the content of the weights, not for the name of their file."""
        return digest({**self.decisive(), "weights": weights_hash})


@dataclass(frozen=True, slots=True)
class ExtractionReport:
    """What became of each slide."""

    done: tuple[str, ...]
    already: tuple[str, ...]  # were there when they were looked at, made by the same spec
    failed: dict[str, str]  # slide -> reason
    notes: tuple[str, ...] = ()  # on slides that gave embeddings
    spent: Spent = field(default_factory=Spent)  # on those that were made now


def _usual(name: str) -> object:
    """A setting of patches as it is where nobody sets it."""
    return getattr(TilingSpec(), name)


@dataclass(frozen=True, slots=True)
class _Part:
    """One file to be written: the embeddings of a slide by one encoder."""

    spec: FeatureSpec
    spec_hash: str
    target: Path


@dataclass(frozen=True, slots=True)
class _Job:
    """One slide to extract, as it travels to a worker."""

    slide: str
    path: Path
    folder: Path
    parts: tuple[_Part, ...]
    mpp: float | None
    device: str

    @property
    def spec(self) -> FeatureSpec:
        """The settings that all encoders share."""
        return self.parts[0].spec


def extract_slides(
    slides: Mapping[str, Path],
    folder: Path | str,
    spec: FeatureSpec | Sequence[FeatureSpec],
    *,
    mpp: float | Mapping[str, float] | None = None,
    workers: int = 1,
    cluster: str = "",
    device: str = "cpu",
    on_progress: Callable[[str, str], None] | None = None,
) -> ExtractionReport:
    """Write `<slide>.h5` and its preview into `folder` for every slide; started again after a stop, it goes on.

    Several processes may fill one folder at the same time and share the slides: each is extracted once, by whoever
    claims it first.

    Args:
        slides: Slide id -> file.
        spec: Settings; several, which differ in their encoder alone, are done in one reading of each slide, and each
            writes into a folder of `folder` that has the encoder's name.
        mpp: um per pixel of level 0, for all slides or for some by id, where the files do not say it; wins over them.
        workers: Processes, each with its own encoders.
        cluster: The address of a Ray cluster, whose machines take their place.
        device: Where the encoders compute.
        on_progress: Called with the slide and "already", "done" or "failed" as each is known.

    Raises:
        FeatureError: No such encoder, or the folder holds a slide's embeddings made by another spec.
        MissingFileError: An encoder's weights are not on disk.
        DiskFullError: There is no room; slides written so far are kept.
    """
    tell = on_progress or (lambda slide, state: None)
    folder = Path(folder)
    specs = [spec] if isinstance(spec, FeatureSpec) else list(spec)
    hashes = [each.hash(_encoder(each.encoder, each.weights, device, each.precision).weights_hash) for each in specs]
    places = [folder if len(specs) == 1 else folder / each.encoder.replace(":", "-") for each in specs]
    tidy(folder)
    jobs, found = [], dict[str, tuple[State, str]]()
    for slide, path in slides.items():
        given = mpp.get(slide) if isinstance(mpp, Mapping) else mpp
        parts = (_Part(*each) for each in zip(specs, hashes, (at / f"{slide}.h5" for at in places), strict=True))
        jobs.append(_Job(slide, Path(path), folder, tuple(parts), given, device))
    left, known = _left(jobs, tells_again=True)
    found |= known
    _draw_missing([job for job in jobs if found.get(job.slide, ("",))[0] == "already"])
    for slide, (state, _) in found.items():
        tell(slide, state)
    extract = partial(_beside_others, extract_one)
    how = {"workers": workers, "retries": 0, "lost": _died}
    if cluster:
        folder.mkdir(parents=True, exist_ok=True)  # which every machine must see
        how["cluster"] = Cluster(cluster, folder.absolute(), int(device.startswith("cuda")))
    spent = Spent()
    while left:
        held = []
        for job, (state, reason, took) in run_many(extract, left, **how):
            spent += took
            if state == "held":
                held.append(job)
            else:
                found[job.slide] = state, reason
                tell(job.slide, state)
        tidy(folder)  # of workers that died
        if held:
            log.warning("waiting for another process, which works on %s", some(job.slide for job in held))
        wait_for_one([[*map(_claim_of, job.parts)] for job in held])
        left = held
    of = {state: tuple(slide for slide in slides if found[slide][0] == state) for state in ("done", "already")}
    failed = {slide: found[slide][1] for slide in slides if found[slide][0] == "failed"}
    files = {job.slide: job.parts[0].target for job in jobs if job.slide not in failed}
    return ExtractionReport(of["done"], of["already"], failed, extraction_notes(files, specs[0].told_mpp), spent)


def _draw_missing(jobs: Sequence[_Job]) -> None:
    """Write the pictures of patches that are asked for of slides whose embeddings are there; say where that failed."""
    failed = {}
    for job in jobs:
        if saved_patches(job.folder, job.slide) >= job.spec.save_patches:
            continue
        try:
            with open_slide(job.path, mpp=job.mpp) as slide:
                grid = grid_of_file(job.parts[0].target, slide)
                recolour = recoloured(slide, grid, job.spec.stain_norm)
                save_patches(job.folder, job.slide, slide, grid, job.spec.save_patches, recolour)
        except (FeatureError, SlideError) as cause:
            failed[job.slide] = str(cause)
    if failed:
        slide, why = next(iter(failed.items()))
        named = count(len(failed), "slide")
        log.warning("No patches were kept as PNG files of %s, which are embedded: %s (%s)", named, some(failed), why)


def _left(jobs: Sequence[_Job], *, tells_again: bool = False) -> tuple[list[_Job], dict[str, tuple[State, str]]]:
    """What is still to be done, and slides whose files are all there and whole, or cannot be told."""
    others, again, left = [], [], list[_Job]()
    known: dict[str, tuple[State, str]] = {}
    for job in jobs:
        parts = list[_Part]()
        try:
            for part in job.parts:
                why = _why_to_make(job, part)
                if why is None:
                    continue
                if why.startswith("spec "):
                    others.append(f"{part.target} ({why})")
                elif why:
                    again.append(f"{job.slide} ({why})")
                parts.append(part)
        except (BlockedFileError, MissingFileError) as cause:  # it may be whole, so it is not made again
            known[job.slide] = "failed", str(cause)
            continue
        if parts:
            left.append(replace(job, parts=tuple(parts)))
        else:
            known[job.slide] = "already", ""
    if others:
        raise FeatureError(
            f"{len(others)} embedding files were not made by spec {jobs[0].parts[0].spec_hash}, which is asked for: "
            f"{some(others)}. Extract into another folder, or remove these files."
        )
    if again and tells_again:
        log.warning("Embedded again: %s: %s.", count(len(again), "slide"), some(again))
    return left, known


def _why_to_make(job: _Job, part: _Part) -> str | None:
    picked = job.spec.picks.told(job.slide, job.path)
    return why_to_embed(part.target, job.path, job.mpp, picked=picked, spec_hash=part.spec_hash)


def _claim_of(part: _Part) -> Path:
    return part.target.with_name(f".{part.target.stem}{CLAIM}")


def _beside_others(extract: Callable[[_Job], "str | Spent"], job: _Job) -> tuple[State, str, Spent]:
    """What became of a slide by `extract`, and why that failed; another process may hold it, or have made it since."""
    try:
        with ExitStack() as claims:
            for part in sorted(job.parts, key=lambda part: part.target):
                claims.enter_context(claimed(_claim_of(part), f"extracting {job.slide}"))
            left, known = _left([job])
            if not left:
                return (*known[job.slide], Spent())
            result = extract(left[0])
    except ClaimedError:
        return "held", "", Spent()
    return ("failed", result, Spent()) if isinstance(result, str) else ("done", "", result)


def _died(job: _Job) -> tuple[State, str, Spent]:
    """Of a slide that took its process down, by a fault in a reader's C code or for want of memory."""
    return "failed", f"the process that read {job.path} died, perhaps for want of memory", Spent()


@lru_cache(maxsize=8)
def _encoder(name: str, weights: str | None, device: str, precision: AskedPrecision | None) -> Encoder:
    """Loaded once a process, not once a slide."""
    return create_encoder(name, weights=weights, device=device, precision=precision)


def extract_one(job: _Job) -> "str | Spent":
    """Extract one slide. Returns what that took, or why it failed."""
    began = time.perf_counter()
    try:
        specs = [part.spec for part in job.parts]
        encoders = [_encoder(each.encoder, each.weights, job.device, each.precision) for each in specs]
        made_of = made_of_slide(job.path, job.mpp)
        if picked := job.spec.picks.told(job.slide, job.path):
            made_of[PICKED] = picked
        with open_slide(job.path, mpp=job.mpp) as slide:
            grid, tissue = _squares_of(slide, job)
            if isinstance(grid, str):
                return grid
            recolour = recoloured(slide, grid, job.spec.stain_norm)
            features, spent = encode_patches(slide, grid, encoders, job.device, recolour)
            save_patches(job.folder, job.slide, slide, grid, job.spec.save_patches, recolour)
            size_px, slide_mpp, magnification = slide.size_px, slide.mpp, slide.magnification
        for part, encoder, values in zip(job.parts, encoders, features, strict=True):
            embeddings = Embeddings(
                slide=job.slide,
                features=values,
                coords_px=grid.coords,
                patch_px=grid.patch_px,
                patch_px_level0=grid.patch_px_level0,
                overlap_px=grid.overlap_px,
                mpp=slide_mpp,
                magnification=magnification,
                encoder=encoder.name,
                weights_hash=encoder.weights_hash,
                spec_hash=part.spec_hash,
            )
            write_embeddings(part.target, embeddings, slide_size_px=size_px, made_of=made_of, more=tissue)
    except (DiskFullError, UnwritableError):
        raise  # the next slide would not fit either
    except PrognoscopeError as reason:
        return str(reason)
    except Exception as reason:  # noqa: BLE001 - files break readers in ways no list foresees; the other slides go on
        if is_out_of_memory(reason):
            return f"there was not enough memory to extract {job.path}; use fewer --jobs, or a machine with more"
        return f"{type(reason).__name__} while {job.path} was extracted: {reason}"
    return replace(spent, wall_s=time.perf_counter() - began)


def _squares_of(slide: Slide, job: _Job) -> tuple[PatchGrid | str, dict[str, float]]:
    """The patches of a slide, of which a preview is drawn, and areas in sq mm; or why there are none."""
    picks, files = job.spec.picks, job.spec.picks.files(job.slide, job.path)
    found = segment_tissue(slide, job.spec.tissue)
    grid = tile(slide, found, job.spec) if picks.coords is None else grid_of_file(files[0], slide)
    n_before = len(grid)
    if picks.regions is not None:
        grid = within_regions(grid, files[-1], slide, outside=picks.outside)
    write_preview(preview_path(job.folder, job.slide), slide, found, grid)
    areas = {"tissue_mm2": found.area_mm2, "pen_mm2": found.pen_mm2, "pale_mm2": found.pale_mm2}
    areas = {name: round(area, 4) for name, area in areas.items()}
    if found.why_none and picks.coords is None:
        return f"no tissue was found in {job.path}: {found.why_none}, or leave the slide out of the cohort", areas
    if files and not len(grid):
        where = "outside of" if picks.outside else "in"
        why = f"none of its {n_before} patches lies {where} the regions of {files[-1]}" if n_before else "it has none"
        return f"no patches: {why}", areas
    if not len(grid.coords):
        side_px = math.ceil(grid.patch_px_level0)
        if min(slide.size_px) < side_px:
            why = f"it is smaller than one patch of {grid.patch_um:g} um"
        else:
            least = job.spec.min_tissue
            why = (
                f"no square of {grid.patch_um:g} um holds more than {grid.fullest:.0%} tissue, and {least:.0%} is asked"
            )
        return f"no patches: in {job.path} {why}; lower features.min_tissue or patch_px, or leave the slide out", areas
    return grid, areas
