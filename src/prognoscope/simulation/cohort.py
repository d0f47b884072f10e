"""A whole simulated cohort as a folder: tables, slides or embeddings, the truth, and a study file to run."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from prognoscope.core.claims import CLAIM, claimed, tidy
from prognoscope.core.errors import InputError, nearest
from prognoscope.core.files import digest, write_table, write_text
from prognoscope.core.parallel import run_many
from prognoscope.core.processes import PART
from prognoscope.features.store import Embeddings, write_embeddings
from prognoscope.simulation.embeddings import FEWEST_DIMENSIONS, MPP, PATCH_PX, draw_embeddings
from prognoscope.simulation.genes import express, groups_table, true_genes
from prognoscope.simulation.patients import (
    SILENCED,
    SLIDES,
    add_risks,
    competing_events,
    draw_patients,
    follow_up,
    generator,
    log_hazard_other,
    site_number,
)
from prognoscope.simulation.slide_files import paint_slide_file
from prognoscope.simulation.tissue_classes import CLASSES, Factors, told_classes

PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{0,11}")
BEGUN = ".simulation"  # holds what is simulated, until it is
FEWEST_PATIENTS = 20
MOST_CENSORED = 0.9
MOST_COMPETING = 0.5
SMALLEST_SLIDE_PX, LARGEST_SLIDE_PX = 1024, 16_384  # painting takes about 40 bytes a pixel
_COUNT, _SIZES = 1_000, 1_001  # streams of a patient beside those of the slides, which are numbered from 0


@dataclass(frozen=True, slots=True)
class SimulationSpec:
    """What kind of cohort is simulated; see `simulate_cohort`."""

    patients: int
    seed: int
    features_only: bool
    bag_sizes: tuple[int, int]
    sites: int
    censoring: float
    multi_slide: float
    embedding_dim: int
    slide_px: int
    competing: float
    without: tuple[str, ...] = ()
    prefix: str = "SIM"


@dataclass(frozen=True, slots=True)
class SlideTask:
    """All that a worker needs to make one slide."""

    folder: Path
    slide: str
    factors: Factors
    patient: int
    number: int  # of the slide within the patient
    site: int
    patches: int  # 0: painted
    spec: SimulationSpec


def simulate_cohort(
    folder: Path | str,
    *,
    patients: int = 60,
    seed: int = 0,
    features_only: bool = False,
    bag_sizes: tuple[int, int] = (500, 2000),
    sites: int = 4,
    censoring: float = 0.35,
    multi_slide: float = 0.2,
    embedding_dim: int = 128,
    slide_px: int = 2048,
    without: Sequence[str] = (),
    competing: float = 0.0,
    prefix: str = "SIM",
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a cohort whose truth is known; returns the path of its `study.yaml`, which is written last.

    The folder then holds `clinical.csv`, `slides.csv`, `genes.csv`, `groups.csv`, `subtypes.csv`, `slides/*.tiff` or
    `features/*.h5`, `truth/patients.csv` (factors, log hazard and the oracle risks of `patients.add_risks`),
    `truth/patches/*.csv` (the tissue class of every patch) and `truth/genes.csv` (which genes carry the signal). The
    same arguments give the same bytes, however many workers there are.

    Args:
        features_only: Draw embeddings directly instead of painting slides.
        bag_sizes: Least and most patches of a patient, with features_only.
        sites: Hospitals, each with a stain of its own.
        censoring: Share of patients whose event is not observed.
        multi_slide: Share of patients with two or three slides.
        embedding_dim: D, with features_only.
        slide_px: Side of a painted slide at 0.5 um per pixel.
        without: What tells nothing of the hazard: "slides", "genes", "covariates", "interaction", or several of them.
        competing: Share of patients whom another event meets first, `event` 2, which the event of interest cannot
            follow; see `patients.competing_events`. Truth then has `log_hazard_other` and `scale_other`.
        prefix: What ids of patients and slides begin with, so that two cohorts tell theirs apart.
        workers: Processes that make slides.
        progress: Told how many slides are done, and of how many.

    Raises:
        InputError: An argument that cannot be met, or the folder is not empty, unless the same simulation was stopped
            in it, which then goes on. Nothing is written then.
    """
    folder = Path(folder)
    spec = SimulationSpec(
        *(patients, seed, features_only, bag_sizes, sites, censoring, multi_slide, embedding_dim, slide_px),
        competing=competing,
        without=tuple(sorted(set(without))),
        prefix=prefix,
    )
    _check(folder, spec)
    with claimed(folder / CLAIM, "`prognoscope simulate`"):
        _check(folder, spec)
        tidy(folder)
        write_text(folder / BEGUN, digest(asdict(spec)))
        _write(folder, spec, workers, progress)
        study = folder / "study.yaml"
        write_text(study, yaml.safe_dump(_study(spec), sort_keys=False, default_flow_style=None, width=120))
        (folder / BEGUN).unlink()
    return study


def _write(folder: Path, spec: SimulationSpec, workers: int, progress: Callable[[int, int], None] | None) -> None:
    patients, seed = spec.patients, spec.seed
    table = add_risks(draw_patients(patients, seed, sites=spec.sites, prefix=spec.prefix), without=spec.without)
    time, event = follow_up(table["log_hazard"].to_numpy(), seed, censoring=spec.censoring)
    tasks = [task for k in range(patients) for task in _tasks(folder, table.iloc[k], k, spec)]
    status, truth = event.astype(int), []
    if spec.competing:
        others = log_hazard_other(table)
        time, is_other, scale = competing_events(time, others.to_numpy(), seed, share=spec.competing)
        status = np.where(is_other, 2, status)
        table, truth = table.assign(log_hazard_other=others, scale_other=scale), ["log_hazard_other", "scale_other"]
    clinical = table.assign(time_months=time, event=status).reset_index()
    write_table(folder / "clinical.csv", clinical[["patient_id", "time_months", "event", "age", "is_female", "site"]])
    write_table(folder / "subtypes.csv", clinical[["patient_id", "subtype"]])
    write_table(folder / "genes.csv", express(table, seed).reset_index())
    write_table(folder / "groups.csv", groups_table())
    owners = [(table.index[task.patient], task.slide) for task in tasks]
    write_table(folder / "slides.csv", pd.DataFrame(owners, columns=["patient_id", "slide_id"]))
    truth += [*("subtype", "proliferation", "immune", "necrosis", "programme"), "log_hazard"]
    truth += ["risk_oracle", "risk_slides", "risk_genes"]
    write_table(folder / "truth" / "genes.csv", true_genes())
    write_table(folder / "truth" / "patients.csv", clinical[["patient_id", *truth]])
    for done, _ in enumerate(run_many(make_slide, tasks, workers=workers), start=1):
        if progress is not None:
            progress(done, len(tasks))


def make_slide(task: SlideTask) -> None:
    """Write one slide, or its embeddings, and the truth about its patches."""
    truth = task.folder / "truth" / "patches" / f"{task.slide}.csv"
    if truth.is_file():  # written last, before the simulation was stopped
        return
    who = {"patient": task.patient, "slide": task.number, "site": task.site}
    if not task.spec.features_only:
        path = task.folder / "slides" / f"{task.slide}.tiff"
        write_table(truth, paint_slide_file(path, task.factors, task.spec.slide_px, task.spec.seed, **who))
        return
    drawn = draw_embeddings(task.factors, task.patches, task.spec.embedding_dim, task.spec.seed, **who)
    embeddings = Embeddings(
        task.slide,
        drawn.features,
        coords_px=drawn.coords_px,
        patch_px=PATCH_PX,
        patch_px_level0=float(PATCH_PX),
        overlap_px=0,
        mpp=MPP,
        magnification=20.0,
        encoder="simulated",
    )
    write_embeddings(task.folder / "features" / f"{task.slide}.h5", embeddings)
    names = np.array(CLASSES)[drawn.classes]
    places = {"x": drawn.coords_px[:, 0], "y": drawn.coords_px[:, 1], "class": names}
    write_table(truth, pd.DataFrame({**places, **told_classes(drawn.classes)}))


def _tasks(folder: Path, row: pd.Series, patient: int, spec: SimulationSpec) -> list[SlideTask]:
    rng = generator(spec.seed, patient, SLIDES, _COUNT)
    sizes = np.zeros(rng.integers(2, 4) if rng.random() < spec.multi_slide else 1, np.int64)
    if spec.features_only:
        least, most = spec.bag_sizes
        total = int(generator(spec.seed, patient, SLIDES, _SIZES).integers(least, most + 1))
        sizes = (total + np.arange(len(sizes))) // len(sizes)  # as equal as can be
        sizes = sizes[sizes > 0]
    factors = Factors(row["subtype"], *(float(row[name]) for name in ("proliferation", "immune", "necrosis")))
    site = site_number(row["site"])
    return [
        SlideTask(folder, f"{row.name}-{'ABC'[number]}", factors, patient, number, site, int(size), spec)
        for number, size in enumerate(sizes)
    ]


def _check(folder: Path, spec: SimulationSpec) -> None:
    if spec.patients < FEWEST_PATIENTS:
        raise InputError(f"A simulated cohort needs at least {FEWEST_PATIENTS} patients, not {spec.patients}.")
    if spec.seed < 0:
        raise InputError(f"The seed of a simulated cohort must be 0 or greater, not {spec.seed}.")
    if not 0 <= spec.censoring <= MOST_CENSORED:
        raise InputError(
            f"The share of censored patients must lie in 0 to {MOST_CENSORED}, not {spec.censoring:g}, "
            "so that events are left to learn from."
        )
    if not PREFIX.fullmatch(spec.prefix):
        raise InputError(f"Ids begin with up to 12 letters and digits, not with {spec.prefix!r}.")
    for what in spec.without:
        if what not in SILENCED:
            raise InputError(f"without names {what!r}, which is no part of the hazard; {nearest(what, SILENCED)}")
    if not 0 <= spec.competing <= MOST_COMPETING:
        raise InputError(
            f"The share of patients whom another event meets first must lie in 0 to {MOST_COMPETING}, not "
            f"{spec.competing:g}."
        )
    if not 1 <= spec.sites <= spec.patients // 2:
        raise InputError(
            f"{spec.patients} patients can come from 1 to {spec.patients // 2} sites, not from {spec.sites}."
        )
    if not 0 <= spec.multi_slide <= 1:
        raise InputError(f"The share of patients with several slides must lie in 0 to 1, not {spec.multi_slide:g}.")
    if spec.features_only:
        least, most = spec.bag_sizes
        if not 1 <= least <= most:
            raise InputError(f"Bag sizes are the least and the most patches of a patient, not {least} and {most}.")
        if spec.embedding_dim < FEWEST_DIMENSIONS:
            raise InputError(
                f"Simulated embeddings need at least {FEWEST_DIMENSIONS} dimensions, not {spec.embedding_dim}."
            )
    elif not SMALLEST_SLIDE_PX <= spec.slide_px <= LARGEST_SLIDE_PX or spec.slide_px % PATCH_PX:
        raise InputError(
            f"The side of a simulated slide must be a multiple of {PATCH_PX} pixels from {SMALLEST_SLIDE_PX} to "
            f"{LARGEST_SLIDE_PX}, not {spec.slide_px}."
        )
    begun = folder / BEGUN
    goes_on = begun.is_file() and begun.read_text(encoding="utf-8") == digest(asdict(spec))
    if folder.exists() and not goes_on and not (folder.is_dir() and _is_empty(folder)):
        raise InputError(f"{folder} exists and is not an empty folder. Remove it, or name another one.")


def _is_empty(folder: Path) -> bool:
    return all(each.name.startswith(CLAIM) or each.name.endswith(PART) for each in folder.iterdir())


def need_simulated(folder: Path) -> None:
    """Refuse a folder whose study is not of a simulated cohort.

    Raises:
        InputError: It is not.
    """
    lines = (folder / "study.yaml").read_text(encoding="utf-8", errors="replace").splitlines()
    if "name: simulated" not in lines or not (folder / "truth" / "patients.csv").is_file():
        raise InputError(f"{folder} holds a study that is not of a simulated cohort. Name another folder.")


def _study(spec: SimulationSpec) -> dict:
    features_only = spec.features_only
    clinical = {
        "table": "clinical.csv",
        "patient": "patient_id",
        "time": "time_months",
        "time_unit": "months",
        "event": "event",
        **({"competing_values": [2]} if spec.competing else {}),
        "covariates": ["age", "is_female"],
        "site": "site",
    }
    bags = (
        {"features": {"folder": "features", "layout": "prognoscope", "table": "slides.csv"}}
        if features_only
        else {"slides": {"folder": "slides", "table": "slides.csv"}}
    )
    mcti = {"name": "mcti", "k": 64 if features_only else 16, "d": 64, "gene_hidden": 64, "layers": 2}
    omics = {"table": "genes.csv", "layout": "wide", "patient": "patient_id", "groups": "groups.csv"}
    return {
        "name": "simulated",
        "cohort": {
            "clinical": clinical,
            **bags,
            "omics": omics,
            "subtype": {"table": "subtypes.csv", "patient": "patient_id", "column": "subtype"},
            "truth": "truth/patients.csv",
        },
        "features": {"encoder": "stain", "patch_px": PATCH_PX, "mpp": MPP},
        "splits": {"folds": 5, "stratify": ["event", "time"], "seed": 0},
        "protocol": "honest",
        "methods": ["coxph", "abmil", mcti, "late", "gpcox"],
        # the published steps of 32 patients at rates for hundreds of them are too few for a small cohort
        "training": {
            "epochs": 20,
            "patients_per_step": 8,
            "optimizer": "adam",
            "learning_rate": 0.001 if features_only else 0.003,  # ten epochs of `stain` learn little at 0.001
            "schedule": "cosine",
        },
    }
