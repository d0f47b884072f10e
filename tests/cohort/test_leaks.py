"""No column that tells the outcome becomes an input, and none is blamed for luck."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.leaks import refuse_leaks
from prognoscope.core.errors import CohortError
from prognoscope.core.outcome import Outcome
from prognoscope.omics.columns import tells_outcome
from prognoscope.omics.tables import OmicsTable

RNG = np.random.default_rng
LEAKS = {
    "time": lambda t, e, r: t,
    "minus": lambda t, e, r: 7 - t,
    "in days": lambda t, e, r: 30.4 * t,
    "log": lambda t, e, r: np.log(t),
    "event": lambda t, e, r: e,
    "censored": lambda t, e, r: 1 - e,
    "time of the dead": lambda t, e, r: np.where(e, t, np.nan),
    "time of the dead, else noise": lambda t, e, r: np.where(e, t, 90 * r.random(len(t))),
    "noisy time": lambda t, e, r: np.log(t) + 0.1 * r.normal(size=len(t)),
}
FAIR = {
    "noise": lambda t, e, r: r.normal(size=len(t)),
    "good": lambda t, e, r: np.log(t) + r.normal(size=len(t)),
    "good word": lambda t, e, r: np.where(r.random(len(t)) < 0.15, 1 - e, e),
    "one far value": lambda t, e, r: np.where(t == t[e].min(), 50.0, 0.0),
    "constant": lambda t, e, r: np.ones(len(t)),
    "empty": lambda t, e, r: np.full(len(t), np.nan),
}


def cohort(columns: dict, n: int = 80, *, genes: bool, noise: int = 0, rate: float = 0.5) -> Cohort:
    rng = RNG(3)
    patients = tuple(f"P{i}" for i in range(n))
    time, event = rng.exponential(30, n) + 0.1, rng.random(n) < rate
    values = {name: make(time, event, rng) for name, make in columns.items()}
    values |= {f"N{i}": rng.normal(size=n) for i in range(noise)}
    table = pd.DataFrame(values, index=list(patients), dtype=np.float32 if genes else np.float64)
    parts = {"omics": OmicsTable(table)} if genes else {"covariates": table}
    return Cohort("x", Outcome(patients, time, event), **parts)


@pytest.mark.parametrize("genes", [True, False], ids=["gene", "covariate"])
@pytest.mark.parametrize("name", LEAKS)
def test_a_column_that_tells_the_outcome_is_refused_unless_the_study_allows_it(name, genes):
    found = cohort({name: LEAKS[name]}, genes=genes, noise=20)
    with pytest.raises(CohortError, match=rf"1 inputs tell the outcome: {name} \(.*not_outcomes"):
        refuse_leaks(found, ())
    allowed = refuse_leaks(found, (name,)).account.warnings
    assert len(allowed) == 1 and f"allowed by cohort.clinical.not_outcomes: {name}" in allowed[0]


@pytest.mark.parametrize("name", FAIR)
def test_a_column_that_is_only_good_is_let_be(name):
    found = cohort({name: FAIR[name]}, genes=True, noise=20)
    assert refuse_leaks(found, ()) is found


def test_a_category_that_is_the_status_is_refused():
    found = cohort({"x": LEAKS["event"]}, genes=False)
    words = found.covariates.assign(x=np.where(found.covariates["x"] == 1, "gone", "there"))
    with pytest.raises(CohortError, match="x .it tells who has an event"):
        refuse_leaks(Cohort("x", found.outcome, covariates=words), ())


@pytest.mark.parametrize("n", [8, 10, 15])
def test_luck_among_thousands_of_genes_of_few_patients_is_no_leak(n):
    found = cohort({}, n, genes=True, noise=5000, rate=0.8)
    assert refuse_leaks(found, ()) is found


def test_a_leak_among_thousands_of_genes_of_few_patients_is_one():
    with pytest.raises(CohortError, match="1 inputs tell the outcome: time"):
        refuse_leaks(cohort({"time": LEAKS["time"]}, 12, genes=True, noise=2500), ())


@pytest.mark.parametrize(
    "name",
    [
        "OS",
        "OS.time",
        "OSTime",
        "OS_MONTHS",
        "DSS.time",
        "PFI",
        "days_to_death",
        "demographic.days_to_death",
        "vitalStatus",
        "survival_months",
        "futime",
        "disease_free_months",
        "person_neoplasm_cancer_status",
        "days_to_last_followup",
        "date_of_death",
        "is_dead",
        "event",
    ],
)
def test_names_of_outcomes_are_known(name):
    assert tells_outcome(name)


@pytest.mark.parametrize(
    "name",
    [
        "age",
        "days_to_birth",
        "er_status",
        "smoking_status",
        "age_in_months",
        "OS9",
        "OSMR",
        "year_of_diagnosis",
        "pack_years",
        "TP53",
    ],
)
def test_names_of_covariates_and_genes_are_let_be(name):
    assert not tells_outcome(name)


def test_a_gene_that_one_patient_alone_expresses_is_not_the_logarithm_of_the_time():
    found = cohort({}, genes=True)
    time = np.linspace(30, 30.5, len(found))[RNG(0).permutation(len(found))]
    first = int(np.flatnonzero(found.outcome.event)[0])
    time[first] = 1e-8
    outcome = Outcome(found.patients, time, found.outcome.event)
    spike = (np.arange(len(time)) == first).astype(np.float32)
    genes = OmicsTable(pd.DataFrame({"IFNA6": spike}, index=list(found.patients)))
    single = Cohort("x", outcome, omics=genes)
    assert refuse_leaks(single, ()) is single


def test_many_patients_take_memory_that_grows_as_they_do():
    found = cohort({"good": FAIR["good"], "time": LEAKS["noisy time"]}, 20_000, genes=False)
    tracemalloc.start()
    try:
        with pytest.raises(CohortError, match=r"time \(C-index|time \(it orders"):
            refuse_leaks(found, ())
        assert tracemalloc.get_traced_memory()[1] < 50e6  # pairs of patients would take 400 MB a table
    finally:
        tracemalloc.stop()
