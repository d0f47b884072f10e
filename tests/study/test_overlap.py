"""Patients whom models learned from, under other ids: known by their genes, in whatever table these come."""

import numpy as np
import pandas as pd

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.outcome import Outcome
from prognoscope.omics.tables import OmicsTable
from prognoscope.study.apply.overlap import known_patients
from prognoscope.study.content import content_of

GROUPS = {"first": ("A", "B"), "second": ("C",)}


def cohort(genes, groups=None):
    patients = tuple(genes.index)
    outcome = Outcome(patients, np.arange(1.0, len(patients) + 1), np.ones(len(patients), dtype=bool))
    return Cohort("here", outcome, omics=OmicsTable(genes.astype(np.float32), source="genes.csv"), groups=groups)


def table(ids, columns="ABCZ", values=None):
    drawn = np.random.default_rng(0).normal(size=(len(ids), len(columns))) if values is None else values
    return pd.DataFrame(drawn, index=ids, columns=list(columns))


def found(training, new):
    """Who of other patients is known again, as patient -> why, where some have taught."""
    before = content_of(cohort(training, GROUPS), None).parts
    return known_patients(cohort(new), None, taught=tuple(training.index), before=before, genes=("A", "B", "C"))


def test_a_table_of_other_order_and_with_other_genes_hides_nobody():
    training = table(["P1", "P2", "P3"])
    new = training.rename({"P2": "N2"}).loc[["N2"], list("CBA")].assign(Y=1.0)
    assert found(training, new) == {"N2": "has the genes of P2"}
    assert not found(training, new + 1e-3)


def test_who_has_no_genes_is_not_the_one_who_had_none():
    training = table(["P1", "P2", "P3"])
    training.loc["P3"] = np.nan
    new = table(["N1", "N2"])
    new.loc["N1"] = np.nan
    new.loc["N2"] += 5
    assert not found(training, new)


def test_equal_genes_of_a_few_steps_are_nobody_s():
    steps = np.array([[i // 4 % 2, i // 2 % 2, i % 2, 0] for i in [*range(7), *range(7), 7]])
    training = table([f"P{i}" for i in range(15)], values=steps)
    assert not found(training, table(["N1"], values=[[1, 1, 1, 0]]))  # as P14 alone has them
