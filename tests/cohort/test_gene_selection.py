"""Genes chosen in a fold: from its training patients alone, as they were in the published tables."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.preparation import Preparation
from prognoscope.cohort.resampled import drawn_as_released
from prognoscope.cohort.splits import SplitSpec, make_splits
from prognoscope.core.errors import OmicsError
from prognoscope.core.genes import GeneSelection
from prognoscope.core.outcome import Outcome
from prognoscope.omics.group_files import read_groups
from prognoscope.omics.tables import OmicsTable, read_omics
from tests.cohort.tables import tcga_cohort

WELCH = GeneSelection("welch")
# Mean over the published folds of how many genes each group keeps, measured elsewhere: methods/ghanet.md, 7c.
PUBLISHED = {
    ("sig/blca", "welch"): (13.4, 39.6, 64.0, 54.0, 253.6, 38.6),
    ("sig/ucec", "welch"): (0.2, 8.0, 2.2, 5.4, 15.2, 3.8),
    ("sig/blca", "welch_resampled"): (20.2, 73.8, 102.2, 94.6, 351.6, 78.4),
    ("sig/ucec", "welch_resampled"): (1.2, 8.4, 7.2, 8.0, 24.0, 5.4),
}


def cohort_of(n: int = 80, *, counts: bool = False, seed: int = 0) -> Cohort:
    """Patients of whom half the genes of "told" follow the hazard; none of "noise" does."""
    rng = np.random.default_rng(seed)
    patients = tuple(f"P{i:03d}" for i in range(n))
    danger = rng.normal(size=n)
    died, lost = rng.exponential(30 * np.exp(-2 * danger)), rng.exponential(90, n)
    genes = rng.normal(size=(n, 20)) * 0.6 + danger[:, None] * (np.arange(20) < 5)
    values = rng.poisson(np.exp(genes + 3)) if counts else genes
    table = pd.DataFrame(values.astype(np.float32), patients, [f"G{i}_rnaseq" for i in range(20)])
    groups = {"told": tuple(f"G{i}" for i in range(10)), "noise": tuple(f"G{i}" for i in range(10, 20))}
    outcome = Outcome(patients, np.minimum(died, lost) + 0.1, died <= lost)
    return Cohort("planted", outcome, omics=OmicsTable(table), groups=groups)


def same(one: Preparation, other: Preparation) -> bool:
    pd.testing.assert_frame_equal(one.genes.table, other.genes.table)
    return one.to_dict() == other.to_dict()


@pytest.mark.parametrize("rule", ["welch", "welch_resampled"])
def test_only_training_patients_and_not_their_order_decide(rule):
    cohort, selection = cohort_of(), GeneSelection(rule)
    train, test = cohort.patients[:60], cohort.patients[60:]
    ours = Preparation.fit(cohort, train, selection=selection)
    time, event, values = cohort.outcome.time.copy(), cohort.outcome.event.copy(), cohort.omics.values.copy()
    time[60:], event[60:], values.loc[list(test)] = time[60:][::-1] * 9, ~event[60:], 1e4
    other = replace(cohort, outcome=Outcome(cohort.patients, time, event), omics=OmicsTable(values))
    assert same(Preparation.fit(other, train, selection=selection), ours)
    assert same(Preparation.fit(cohort, train[::-1], selection=selection), ours)


def test_the_scaler_is_that_of_all_genes_with_fewer_columns():
    cohort = cohort_of()
    train = cohort.patients[:60]
    whole, chosen = Preparation.fit(cohort, train), Preparation.fit(cohort, train, selection=WELCH)
    assert {f"G{i}_rnaseq" for i in range(5)} <= set(chosen.gene_groups["told"])
    assert 2 <= chosen.group_sizes[1] < 10
    assert chosen.genes.table["kept"].sum() == sum(chosen.group_sizes)
    everything = dict(zip(whole.omics.columns, whole.prepare(cohort).omics[0].T, strict=False))
    for name, column in zip(chosen.gene_groups["told"], chosen.prepare(cohort).omics[0].T, strict=True):
        np.testing.assert_array_equal(column, everything[name])


@pytest.mark.parametrize("scale", ["zscore", "none"])
def test_chosen_genes_are_clipped_and_scaled_as_all_genes_are(scale):
    cohort = cohort_of()
    train = cohort.patients[:60]
    chosen = Preparation.fit(cohort, train, selection=WELCH, clip=0.5, scale=scale)
    names = list(chosen.gene_groups["told"])
    values = cohort.omics.values[names].clip(-0.5, 0.5)
    if scale == "zscore":
        values = (values - values.loc[list(train)].mean()) / values.loc[list(train)].std(ddof=0)
    np.testing.assert_allclose(chosen.prepare(cohort).omics[0], values, atol=1e-5)


def test_a_stored_choice_prepares_alike_and_asks_only_for_chosen_genes():
    cohort = cohort_of(counts=True)
    ours = Preparation.fit(cohort, cohort.patients[:60], selection=GeneSelection("auto"))
    assert set(ours.genes.table["rule"]) == {"deseq2"}
    stored = Preparation.from_dict(json.loads(json.dumps(ours.to_dict())))
    assert stored.to_dict() == ours.to_dict() and stored.group_sizes == ours.group_sizes
    few = replace(cohort, omics=OmicsTable(cohort.omics.values[list(ours.omics.columns)]))
    for one, other in zip(stored.prepare(few).omics, ours.prepare(cohort).omics, strict=True):
        np.testing.assert_array_equal(one, other)
    for group in stored.prepare(replace(cohort, omics=None)).omics:
        assert np.isnan(group).all()


def test_counts_are_learned_as_logarithms():
    cohort = cohort_of(counts=True)
    train = list(cohort.patients[:60])
    ours = Preparation.fit(cohort, train, selection=GeneSelection("deseq2"))
    logs = np.log2(1 + cohort.omics.values.loc[train, list(ours.gene_groups["told"])].to_numpy(float))
    expected = (logs - logs.mean(axis=0)) / logs.std(axis=0)
    np.testing.assert_allclose(ours.prepare(cohort, train).omics[0], expected, atol=1e-5)
    negative = replace(cohort, omics=OmicsTable(-cohort.omics.values))
    with pytest.raises(OmicsError, match="negative values in columns that held counts"):
        ours.prepare(negative)


def test_the_run_is_told_why_a_test_was_taken():
    chosen = Preparation.fit(cohort_of(), cohort_of().patients, selection=GeneSelection("auto"))
    assert any("Welch" in note for note in chosen.notes)
    assert not Preparation.fit(cohort_of(), cohort_of().patients, selection=WELCH).notes


def test_clipping_comes_before_the_test():
    cohort = cohort_of()
    values = cohort.omics.values.copy()
    values.iloc[0, 0] = 1e6
    wild = Preparation.fit(replace(cohort, omics=OmicsTable(values)), cohort.patients, selection=WELCH)
    tamed = Preparation.fit(replace(cohort, omics=OmicsTable(values)), cohort.patients, selection=WELCH, clip=5)
    p = [each.genes.table.set_index("gene")["p"]["G0_rnaseq"] for each in (wild, tamed)]
    assert p[1] < 1e-3 < p[0]


def test_the_published_draw_is_always_the_same_and_balanced():
    rng = np.random.default_rng(0)
    bin, event = rng.integers(0, 4, 4000), rng.random(4000) < 0.2
    drawn = drawn_as_released(bin, event)
    np.testing.assert_array_equal(drawn, drawn_as_released(bin, event))
    assert np.bincount((2 * bin + event)[drawn]) == pytest.approx(np.full(8, 500), rel=0.15)


@pytest.mark.parametrize(("name", "rule"), PUBLISHED)
def test_published_folds_keep_the_numbers_of_genes_measured_elsewhere(data_pack, name, rule):
    """To half a gene in the mean of five folds: p-values at 0.05, and a last column that the published loader drops."""
    cancer = name.split("/")[1]
    omics = read_omics([data_pack / "tcga" / "sig" / f"tcga_{cancer}_all_clean.csv.zip"])
    groups = read_groups(data_pack / "tcga" / "signatures.csv").groups
    cohort = replace(tcga_cohort(data_pack, name), omics=omics, groups=groups)
    pattern = str(data_pack / "tcga" / "splits" / f"tcga_{cancer}" / "splits_{fold}.csv")
    splits = make_splits(cohort, SplitSpec(files=(pattern,), validation=0.0))
    selection, sizes = GeneSelection(rule, min_genes=0), []
    for split in splits:
        fitted = Preparation.fit(cohort, split.train, bins_from="cohort", selection=selection)
        kept = fitted.genes.table.groupby("group", sort=False)["kept"].sum()
        sizes.append(kept.tolist())
    np.testing.assert_allclose(np.mean(sizes, axis=0), PUBLISHED[name, rule], atol=0.61)
