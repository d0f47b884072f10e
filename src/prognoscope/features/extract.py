"""Slides to embeddings: one file a slide, written whole; what is there is not done again unless its slide changed."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float16, UInt8

from prognoscope.core.claims import CLAIM, ClaimedError, claimed, holder_of, tidy
from prognoscope.core.errors import DiskFullError, FeatureError, PrognoscopeError, UnwritableError, some
from prognoscope.core.faults import is_out_of_memory
from prognoscope.core.files import digest
from prognoscope.core.parallel import run_many
from prognoscope.core.settings import FilePath
from prognoscope.core.words import count
from prognoscope.features.bad_files import BlockedFileError
from prognoscope.features.encoders import Encoder, create_encoder, encoder_name
from prognoscope.features.extraction_notes import extraction_notes
from prognoscope.features.hdf5_file import attributes, find_dataset, opened
from prognoscope.features.source import made_of_slide, why_again
from prognoscope.features.store import Embeddings, write_embeddings
from prognoscope.slides.preview import preview_path, write_preview
from prognoscope.slides.readers import Slide, open_slide
from prognoscope.slides.tiling import PatchGrid, TilingSpec, read_patches, tile
from prognoscope.slides.tissue import TissueSpec, segment_tissue

ON_CPU, ON_GPU = (64, 1), (256, 4)  # patches encoded at once, threads that read meanwhile
FEWEST_PX = 16  # of a patch's side; on fewer an encoder has nothing to look at
PAUSE_S = 0.5  # between two looks at slides that another process works on
AHEAD = 2  # batches that wait, read, besides those being read
State = Literal["done", "already", "failed", "held"]  # the last by another process
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FeatureSpec(TilingSpec):
    """Everything that decides the embeddings of a slide, besides the slide."""

    encoder: str = "stain"
    tissue: TissueSpec = field(default_factory=TissueSpec)
    weights: FilePath | Literal["hub"] | None = None  # a file or its folder, or "hub"; None for what lies on disk

    def __post_init__(self):
        TilingSpec.__post_init__(self)
        object.__setattr__(self, "encoder", encoder_name(self.encoder))
        if self.patch_px < FEWEST_PX:
            raise FeatureError(f"patch_px must be at least {FEWEST_PX} for an encoder, not {self.patch_px}")

    def hash(self, weights_hash: str) -> str:
        """Stands for all of it; for the content of the weights, not for the name of their file."""
        return digest({**asdict(self), "weights": weights_hash})


@dataclass(frozen=True, slots=True)
class ExtractionReport:
    """What became of each slide."""

    done: tuple[str, ...]
    already: tuple[str, ...]  # were there when they were looked at, made by the same spec
    failed: dict[str, str]  # slide -> reason
    notes: tuple[str, ...] = ()  # on slides that gave embeddings


@dataclass(frozen=True, slots=True)
class _Job:
    """One slide to extract, as it travels to a worker."""

    slide: str
    path: Path
    target: Path
    preview: Path
    spec: FeatureSpec
    spec_hash: str
    mpp: float | None
    device: str


def extract_slides(
    slides: Mapping[str, Path],
    folder: Path | str,
    spec: FeatureSpec,
    *,
    mpp: float | Mapping[str, float] | None = None,
    workers: int = 1,
    device: str = "cpu",
    on_progress: Callable[[str, str], None] | None = None,
) -> ExtractionReport:
    """Write `<slide>.h5` and its preview into `folder` for every slide; started again after a stop, it goes on.

    Several processes may fill one folder at the same time and share the slides: each is extracted once, by whoever
    claims it first.

    Args:
        slides: Slide id -> file.
        mpp: um per pixel of level 0, for all slides or for some by id, where the files do not say it; wins over them.
        workers: Processes, each with its own encoder.
        device: Where the encoder computes.
        on_progress: Called with the slide and "already", "done" or "failed" as each is known.

    Raises:
        FeatureError: No such encoder, or the folder holds a slide's embeddings made by another spec.
        MissingFileError: The encoder's weights are not on disk.
        DiskFullError: There is no room; slides written so far are kept.
    """
    tell = on_progress or (lambda slide, state: None)
    encoder = _encoder(spec.encoder, spec.weights, device)
    tidy(Path(folder))
    spec_hash = spec.hash(encoder.weights_hash)
    jobs = []
    for slide, path in slides.items():
        given = mpp.get(slide) if isinstance(mpp, Mapping) else mpp
        preview = preview_path(folder, slide)
        jobs.append(_Job(slide, Path(path), Path(folder) / f"{slide}.h5", preview, spec, spec_hash, given, device))
    already, blocked = _already(jobs, tells_again=True)
    found: dict[str, tuple[State, str]] = {**dict.fromkeys(already, ("already", "")), **blocked}
    for slide, (state, _) in found.items():
        tell(slide, state)
    left = [job for job in jobs if job.slide not in found]
    extract = partial(_beside_others, extract_one)
    while left:
        held = []
        for job, (state, reason) in run_many(extract, left, workers=workers, retries=0, lost=_died):
            if state == "held":
                held.append(job)
            else:
                found[job.slide] = state, reason
                tell(job.slide, state)
        tidy(Path(folder))  # of workers that died
        left = _freed(held)
    of = {state: tuple(slide for slide in slides if found[slide][0] == state) for state in ("done", "already")}
    failed = {slide: found[slide][1] for slide in slides if found[slide][0] == "failed"}
    notes = extraction_notes({job.slide: job.target for job in jobs if job.slide not in failed}, spec.mpp)
    return ExtractionReport(of["done"], of["already"], failed, notes)


def _already(jobs: list[_Job], *, tells_again: bool = False) -> tuple[list[str], dict[str, tuple[State, str]]]:
    """The slides whose files are there and whole, and why others cannot be told; files made otherwise are an error."""
    already, others, again, blocked = [], [], [], {}
    for job in jobs:
        if not job.target.exists():
            continue
        try:
            with opened(job.target) as file:
                features, coords = (find_dataset(job.target, file, name) for name in ("features", "coords"))
                told = {} if features is None else attributes(features)
                resolution = None if coords is None else attributes(coords).get("mpp")
        except BlockedFileError as cause:  # it may be whole, so it is not made again
            blocked[job.slide] = "failed", str(cause)
            continue
        except FeatureError:  # truncated, for example by a copy that was broken off: it is made again
            continue
        if told.get("spec_hash") != job.spec_hash:
            by = told.get("spec_hash") or "none, so it was made elsewhere"
            others.append(f"{job.target} (spec {by})")
        elif why := why_again(job.path, job.mpp, told, resolution):
            again.append(f"{job.slide} ({why})")
        else:
            already.append(job.slide)
    if others:
        raise FeatureError(
            f"{len(others)} embedding files were not made by spec {jobs[0].spec_hash}, which is asked for: "
            f"{some(others)}. Extract into another folder, or remove these files."
        )
    if again and tells_again:
        log.warning("Embedded again: %s: %s.", count(len(again), "slide"), some(again))
    return already, blocked


def _claim_of(job: _Job) -> Path:
    return job.target.with_name(f".{job.target.stem}{CLAIM}")


def _beside_others(extract: Callable[[_Job], str | None], job: _Job) -> tuple[State, str]:
    """What became of a slide by `extract`, and why that failed; another process may hold it, or have made it since."""
    try:
        with claimed(_claim_of(job), f"extracting {job.slide}"):
            if _already([job])[0]:
                return "already", ""
            reason = extract(job)
    except ClaimedError:
        return "held", ""
    return ("done", "") if reason is None else ("failed", reason)


def _freed(held: list[_Job]) -> list[_Job]:
    """The same slides, as soon as another process has let go of one of them."""
    if held:
        log.warning("waiting for another process, which works on %s", some(job.slide for job in held))
    while held and all(holder_of(_claim_of(job)) for job in held):
        time.sleep(PAUSE_S)
    return held


def _died(job: _Job) -> tuple[State, str]:
    """Of a slide that took its process down, by a fault in a reader's C code or for want of memory."""
    return "failed", f"the process that read {job.path} died, perhaps for want of memory"


@lru_cache(maxsize=1)
def _encoder(name: str, weights: str | None, device: str) -> Encoder:
    """Loaded once a process, not once a slide."""
    return create_encoder(name, weights=weights, device=device)


def extract_one(job: _Job) -> str | None:
    """Extract one slide. Returns why that failed, None if it did not."""
    encoder = _encoder(job.spec.encoder, job.spec.weights, job.device)
    try:
        made_of = made_of_slide(job.path, job.mpp)
        with open_slide(job.path, mpp=job.mpp) as slide:
            grid, tissue = _squares_of(slide, job)
            if isinstance(grid, str):
                return grid
            embeddings = Embeddings(
                slide=job.slide,
                features=_encode(slide, grid, encoder, job.device),
                coords_px=grid.coords,
                patch_px=grid.patch_px,
                patch_px_level0=grid.patch_px_level0,
                overlap_px=job.spec.overlap_px,
                mpp=slide.mpp,
                magnification=slide.magnification,
                encoder=encoder.name,
                weights_hash=encoder.weights_hash,
                spec_hash=job.spec_hash,
            )
            size_px = slide.size_px
        write_embeddings(job.target, embeddings, slide_size_px=size_px, made_of=made_of, more=tissue)
    except (DiskFullError, UnwritableError):
        raise  # the next slide would not fit either
    except PrognoscopeError as reason:
        return str(reason)
    except Exception as reason:  # noqa: BLE001 - files break readers in ways no list foresees; the other slides go on
        if is_out_of_memory(reason):
            return f"there was not enough memory to extract {job.path}; use fewer --jobs, or a machine with more"
        return f"{type(reason).__name__} while {job.path} was extracted: {reason}"
    return None


def _squares_of(slide: Slide, job: _Job) -> tuple[PatchGrid | str, dict[str, float]]:
    """The patches of a slide, of which a preview is drawn, and areas in sq mm; or why there are none."""
    found = segment_tissue(slide, job.spec.tissue)
    grid = tile(slide, found, job.spec)
    write_preview(job.preview, slide, found, grid)
    areas = {"tissue_mm2": found.area_mm2, "pen_mm2": found.pen_mm2, "pale_mm2": found.pale_mm2}
    areas = {name: round(area, 4) for name, area in areas.items()}
    if found.why_none:
        return f"no tissue was found in {job.path}: {found.why_none}, or leave the slide out of the cohort", areas
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


def _encode(slide: Slide, grid: PatchGrid, encoder: Encoder, device: str) -> Float16[np.ndarray, "N D"]:
    """The embeddings of all patches of a grid; while one batch is encoded, the next ones are read."""
    features = np.empty((len(grid.coords), encoder.embedding_dim), np.float16)
    size, threads = ON_CPU if device == "cpu" else ON_GPU

    def read(start: int) -> tuple[int, UInt8[np.ndarray, "B H W 3"]]:
        return start, read_patches(slide, grid, slice(start, start + size))

    with ThreadPoolExecutor(threads, "reader") as pool:
        waiting = deque()
        for start in range(0, len(features), size):
            waiting.append(pool.submit(read, start))
            if len(waiting) >= threads + AHEAD:
                _encode_next(waiting, encoder, grid.mpp, features)
        while waiting:
            _encode_next(waiting, encoder, grid.mpp, features)
    return features


def _encode_next(waiting: deque, encoder: Encoder, mpp: float, features: Float16[np.ndarray, "N D"]) -> None:
    start, patches = waiting.popleft().result()
    with np.errstate(over="ignore"):  # what does not fit half precision becomes infinite, and is refused by the store
        features[start : start + len(patches)] = encoder.encode(patches, mpp)
