"""Small clinical tables, and the cohorts of the data pack."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.cohort.clinical import read_clinical
from prognoscope.cohort.clinical_spec import ClinicalSpec
from prognoscope.cohort.cohort import Cohort, make_cohort
from prognoscope.cohort.splits import Split
from prognoscope.core.outcome import Outcome

TCGA = ("sig/blca", "sig/luad", "sig/ucec", "mutsig/brca", "mutsig/gbmlgg", "mutsig/kirp", "mutsig/coadread")


def clinical_table(**columns: list) -> pd.DataFrame:
    """Four patients, two of them with an event; columns can be replaced or added."""
    table = {
        "patient_id": ["P1", "P2", "P3", "P4"],
        "time_months": [12.5, 30.0, 7.25, 61.0],
        "event": [1, 0, 1, 0],
    }
    return pd.DataFrame({**table, **columns})


MONTHS = {"time": "time_months", "time_unit": "months"}


def tiny_cohort(n: int = 40, *, seed: int = 0, sites: int = 0, event_rate: float = 0.5, **parts) -> Cohort:
    """n patients with distinct times, about `event_rate` of them with an event."""
    rng = np.random.default_rng(seed)
    patients = tuple(f"P{i:03d}" for i in range(n))
    event = np.zeros(n, dtype=bool)
    event[rng.permutation(n)[: max(1, round(n * event_rate))]] = True
    time = rng.permutation(np.linspace(1, 100, n))
    if sites:
        parts["site"] = {p: f"S{int(i)}" for p, i in zip(patients, rng.integers(sites, size=n), strict=True)}
    return Cohort("tiny", Outcome(patients, time, event), **parts)


def tcga_spec(*paths: Path, **options) -> ClinicalSpec:
    """How the tables of the data pack are read."""
    columns = {
        "patient": "case_id",
        "time": "survival_months",
        "time_unit": "months",
        "censored": "censorship",
        "site": "site",
    }
    return ClinicalSpec(table=tuple(map(str, paths)), covariates=("age", "is_female"), **columns, **options)


@cache
def tcga_cohort(data_pack: Path, name: str) -> Cohort:
    """One of `TCGA`, with the slides of its table."""
    folder, cancer = name.split("/")
    clinical = read_clinical(tcga_spec(data_pack / "tcga" / folder / f"tcga_{cancer}_all_clean.csv.zip"))
    return make_cohort(cancer, clinical, slides=clinical.slides)


def events_of(cohort: Cohort) -> dict[str, bool]:
    """Patient -> whether the event was observed."""
    return dict(zip(cohort.patients, cohort.outcome.event.tolist(), strict=True))


def events_in(cohort: Cohort, patients: tuple[str, ...]) -> int:
    """How many of these patients have an event."""
    event: Mapping[str, bool] = events_of(cohort)
    return sum(event[patient] for patient in patients)


def parts_of(split: Split) -> tuple[tuple[str, ...], ...]:
    """Train, validation, test."""
    return split.train, split.validation, split.test
