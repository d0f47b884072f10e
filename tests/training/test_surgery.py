"""A trained fold, operated on: genes and bags of other patients, and outcomes of others to learn from."""

import numpy as np
import pandas as pd
import pytest

from prognoscope.training.crossval import run_fold
from prognoscope.training.surgery import SHUFFLES, Operation, operate, permuted_job, with_shuffled


def test_shuffled_genes_leave_the_bags_and_shuffled_bags_the_genes(toy):
    own = toy.dataset("test")
    order = np.random.default_rng(0).permutation(len(own))
    index = range(len(own))
    plain, genes, bags = own.batch(index), *(with_shuffled(own, what, order).batch(index) for what in ("genes", "bags"))
    assert genes.patients == plain.patients and genes.inputs.bags.values.equal(plain.inputs.bags.values)
    assert all(a.equal(b[order]) for a, b in zip(genes.inputs.omics, plain.inputs.omics, strict=True))
    assert all(a.equal(b) for a, b in zip(bags.inputs.omics, plain.inputs.omics, strict=True))
    shuffled, ours = (each.inputs.bags.split(each.inputs.bags.values) for each in (bags, plain))
    assert all(shuffled[i].equal(ours[order[i]]) for i in index)


def test_a_model_of_genes_loses_its_genes_and_one_of_bags_its_bags(toy, tmp_path):
    for name, column in (("snn", "genes"), ("abmil", "bags")):
        job = toy.job(tmp_path / name, name, recipe={"epochs": 20})
        run_fold(job)
        operate(Operation(job))
        table = pd.read_csv(job.files.folder / "surgery.csv")
        assert list(table) == ["patient_id", *(f"{column}_{i}" for i in range(SHUFFLES))]
        risk = pd.read_csv(job.files.folder / "predictions.csv")
        assert table["patient_id"].tolist() == risk["patient_id"].tolist()
        for i in range(SHUFFLES):  # the same risks, of others
            assert sorted(table[f"{column}_{i}"]) == pytest.approx(sorted(risk["risk"]), abs=1e-5)
            assert (abs(table[f"{column}_{i}"] - risk["risk"]) > 1e-5).sum() > len(risk) / 2
        assert len(table.iloc[:, 1:].T.drop_duplicates()) == SHUFFLES  # each of its own
        assert Operation(job).is_done


def test_permuted_outcomes_are_those_of_the_training_part_and_spare_the_test_part(toy, tmp_path):
    job = toy.job(tmp_path / "snn" / "fold_0", "snn")
    permuted = permuted_job(job, seed=0)
    before, after = job.cohort.outcome, permuted.cohort.outcome
    test = np.isin(before.patients, job.split.test)
    assert (before.time[test] == after.time[test]).all() and (before.event[test] == after.event[test]).all()
    assert sorted(before.time[~test]) == sorted(after.time[~test]) and (before.time != after.time).sum() > 20
    pairs = [set(zip(o.time[~test], o.event[~test], strict=True)) for o in (before, after)]
    assert pairs[0] == pairs[1]  # time and event stay together
    assert permuted.files.folder == tmp_path / "snn" / "permuted" and "outcomes permuted" in permuted.label
    assert permuted.method is job.method and permuted.spec is job.spec


def test_a_settled_order_shuffles_alike_for_all_methods(toy, tmp_path):
    jobs = [toy.job(tmp_path / str(i), "snn") for i in range(2)]
    tables = []
    for job in jobs:
        run_fold(job)
        operate(Operation(job))
        tables.append((job.files.folder / "surgery.csv").read_bytes())
    assert tables[0] == tables[1]
