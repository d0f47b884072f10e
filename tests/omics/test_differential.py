"""Genes that differ by risk: planted ones are found, noise at its rate, and what cannot be compared is said."""

import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, ttest_ind

from prognoscope.core.errors import ModelError, OmicsError
from prognoscope.core.genes import GeneSelection
from prognoscope.omics.differential import choose_genes, deseq2, need_rule, risk_groups, welch

WELCH, ALL = GeneSelection("welch", min_genes=0), GeneSelection("none")
LOW = np.arange(40) < 20


def named(values, kind="_rnaseq"):
    patients = [f"P{i:03d}" for i in range(len(values))]
    return pd.DataFrame(values, patients, [f"G{i}{kind}" for i in range(values.shape[1])])


def halves(table):
    """Two gene groups, the even and the odd columns."""
    return {"even": tuple(table.columns[::2]), "odd": tuple(table.columns[1::2])}


def some_counts(n_genes=60, planted=6, seed=0):
    """Counts of 40 patients, the first genes five times as many at high risk."""
    rng = np.random.default_rng(seed)
    mean = rng.lognormal(4, 1, n_genes) * np.where(~LOW[:, None] & (np.arange(n_genes) < planted), 5, 1)
    return named(rng.negative_binomial(5, 5 / (5 + mean)).astype(np.float32))


def choose(table, selection=WELCH, low=LOW, **changes):
    return choose_genes(table, halves(table), low, ~low, selection, **changes)


def kept(chosen):
    return {gene for members in chosen.groups.values() for gene in members}


@pytest.mark.parametrize(("n_bins", "low_bins"), [(2, {1}), (3, {2}), (4, {2, 3}), (5, {3, 4})])
def test_whoever_reaches_the_later_half_is_of_low_risk_and_who_is_lost_before_is_neither(n_bins, low_bins):
    bin, event = np.repeat(np.arange(n_bins), 2), np.tile([True, False], n_bins)
    low, high = risk_groups(bin, event, n_bins=n_bins)
    assert set(bin[low]) == low_bins
    np.testing.assert_array_equal(high, event & ~low)


@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(-5, 5))
def test_welch_is_the_t_test_of_scipy_whatever_the_scale(seed, scale, shift):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(40, 7))
    values[rng.random((40, 7)) < 0.2] = np.nan
    theirs = ttest_ind(values[LOW], values[~LOW], equal_var=False, nan_policy="omit").pvalue
    np.testing.assert_allclose(welch(values * scale + shift, LOW, ~LOW), theirs, rtol=1e-6)


def test_a_constant_column_has_no_p_value_even_where_means_round():
    values = np.full((40, 3), 0.1)
    values[:, 1] = LOW
    p = welch(values, LOW, ~LOW)
    assert np.isnan(p[[0, 2]]).all() and p[1] == 0


def test_shuffled_labels_keep_one_gene_in_twenty():
    rng = np.random.default_rng(0)
    table = named(rng.normal(size=(40, 4000)))
    share = len(kept(choose(table, low=rng.permutation(LOW)))) / 4000
    assert 0.04 < share < 0.06


def test_adjusted_p_values_keep_hardly_a_gene_of_noise():
    table = named(np.random.default_rng(0).normal(size=(40, 4000)))
    table["G0_rnaseq"] = 1.0  # has no p-value, and no part in the adjustment
    found = choose(table, GeneSelection("welch", adjust="bh", min_genes=1)).table
    assert found["kept"].sum() <= 4
    tested = found[found["gene"] != "G0_rnaseq"]
    np.testing.assert_allclose(tested["p_adjusted"], false_discovery_control(tested["p"]))
    assert (tested.groupby("group")["kept"].sum() >= 1).all()


def test_planted_genes_are_found_by_both_tests():
    table = some_counts()
    planted = {f"G{i}_rnaseq" for i in range(6)}
    by_count = choose(table, GeneSelection("deseq2"))
    assert planted <= kept(by_count) and len(kept(by_count)) <= 10
    assert by_count.counts == frozenset(kept(by_count))
    assert set(by_count.table["rule"]) == {"deseq2"}
    logged = np.log2(1 + table)
    found = choose(logged)
    assert planted <= kept(found) and not found.counts
    assert list(found.table) == ["group", "gene", "p", "p_adjusted", "kept", "rule"]
    assert found.groups["even"][:3] == ("G0_rnaseq", "G2_rnaseq", "G4_rnaseq")  # in the order of the table


def test_what_deseq2_warns_of_is_noted_every_time():
    rng = np.random.default_rng(0)
    alike = named(rng.negative_binomial(2, 0.02, (40, 30)).astype(np.float32))  # dispersion that follows no mean
    notes = [choose(alike, GeneSelection("deseq2")).notes for _ in range(2)]
    assert notes[0] == notes[1]
    assert any("dispersion trend" in note for note in notes[0])


def test_patients_who_are_neither_and_those_without_genes_change_nothing():
    table = some_counts(20)
    more = pd.concat([table, named(np.full((3, 20), 7.0)).set_axis(["X", "Y", "Z"])])
    more.loc["Z"] = np.nan
    low, high = np.append(LOW, [False, False, True]), np.append(~LOW, [False, False, False])
    for rule in ("deseq2", "welch"):
        selection = GeneSelection(rule)
        ours = choose_genes(more, halves(table), low, high, selection)
        pd.testing.assert_frame_equal(ours.table, choose(table, selection).table)


def test_auto_takes_counts_for_what_they_are_and_says_when_they_are_none():
    table = some_counts(20)
    assert set(choose(table, GeneSelection("auto")).table["rule"]) == {"deseq2"}
    for changed in (table + 0.5, table - table.mean().round(), (table > 50).astype(float), table.where(table > 20)):
        chosen = choose(changed, GeneSelection("auto"))
        assert set(chosen.table["rule"]) == {"welch"}
        assert "not in raw counts" in chosen.notes[0]


def test_mutations_and_copy_numbers_go_to_welch_beside_counts():
    copies = named(np.where(LOW[:, None], 0, np.arange(40)[:, None] % 3 - 1) * np.ones((40, 4)), "_cnv")
    chosen = choose(pd.concat([some_counts(20), copies.astype(np.float32)], axis=1), GeneSelection("auto"))
    rule = chosen.table.set_index("gene")["rule"]
    assert (rule[rule.index.str.endswith("_cnv")] == "welch").all()
    assert (rule[rule.index.str.endswith("_rnaseq")] == "deseq2").all()
    assert not {gene for gene in chosen.counts if gene.endswith("_cnv")}
    only = choose(copies, GeneSelection("auto", min_genes=1))
    assert set(only.table["rule"]) == {"welch"}


def test_fractional_counts_are_rounded_only_on_request():
    table = some_counts(20) + np.float32(0.25)
    with pytest.raises(OmicsError, match=r"800 values of G0_rnaseq, .* are missing, negative or fractional: .* P000"):
        choose(table, GeneSelection("deseq2"))
    rounded = choose(table, GeneSelection("deseq2", round_counts=True))
    pd.testing.assert_frame_equal(rounded.table, choose(some_counts(20), GeneSelection("deseq2")).table)


def test_rare_genes_are_not_tested():
    table = some_counts(20)
    table["G0_rnaseq"], table["G1_rnaseq"] = 0.0, (np.arange(40) < 9).astype(np.float32)
    found = deseq2(table, LOW, ~LOW)
    assert found.loc[["G0_rnaseq", "G1_rnaseq"]].isna().all(axis=None)
    assert found.iloc[2:]["p"].notna().all()


def test_a_group_keeps_at_least_its_smallest_p_values_but_never_a_constant():
    rng = np.random.default_rng(1)
    table = named(rng.normal(size=(40, 9)))
    table["G0_rnaseq"] = 1.0
    groups = {"noise": tuple(table.columns[:6]), "short": ("G6_rnaseq",), "constant": ("G0_rnaseq",)}
    chosen = choose_genes(table, groups, LOW, ~LOW, GeneSelection("welch", alpha=1e-9, min_genes=2))
    p = chosen.table.set_index(["group", "gene"])["p"]
    assert set(chosen.groups["noise"]) == set(p["noise"].nsmallest(2).index)
    assert chosen.groups["short"] == ("G6_rnaseq",)
    assert "constant" not in chosen.groups and "1 gene groups" in chosen.notes[0]


def test_a_gene_of_two_groups_may_be_kept_in_one():
    table = named(np.random.default_rng(2).normal(size=(40, 4)))
    p = welch(table.to_numpy(), LOW, ~LOW)
    worse, middle, best = (table.columns[i] for i in np.argsort(p)[[3, 2, 0]])
    groups = {"one": (worse, middle), "two": (middle, best)}
    chosen = choose_genes(table, groups, LOW, ~LOW, GeneSelection("welch", alpha=1e-12, min_genes=1))
    assert chosen.groups == {"one": (middle,), "two": (best,)}


def test_without_a_rule_all_genes_are_kept_however_few_patients():
    table = some_counts(6)
    chosen = choose_genes(table, halves(table), np.ones(40, bool), np.zeros(40, bool), ALL)
    assert chosen.groups == halves(table)
    assert chosen.table["p"].isna().all() and set(chosen.table["rule"]) == {"none"}


def test_patients_drawn_twice_count_twice_as_they_did_when_published():
    table, drawn = named(np.random.default_rng(3).normal(size=(40, 300))), np.repeat(np.arange(40), 3)
    resampled = GeneSelection("welch_resampled", min_genes=0)
    many = choose(table, resampled, drawn=drawn)
    assert len(kept(many)) > 3 * len(kept(choose(table)))
    assert set(many.table["rule"]) == {"welch_resampled"}
    with pytest.raises(OmicsError, match="needs the patients that were drawn"):
        choose(table, resampled)


@pytest.mark.parametrize("rule", ["deseq2", "welch"])
def test_two_patients_are_too_few(rule):
    with pytest.raises(OmicsError, match="38 training patients of low risk and 2 of high risk; each group needs 3"):
        choose(some_counts(6), GeneSelection(rule), low=np.arange(40) < 38)


def test_genes_that_do_not_differ_at_all_are_refused():
    with pytest.raises(OmicsError, match="None of 4 genes differs"):
        choose(named(np.ones((40, 4))))


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydeseq2.dds", None)
    with pytest.raises(OmicsError, match="needs pydeseq2, which is not installed. Install prognoscope.deseq2."):
        deseq2(some_counts(6), LOW, ~LOW)


def test_whether_deseq2_can_be_used_is_known_before_training(monkeypatch):
    scores = named(np.linspace(-2, 2, 160).reshape(40, 4))
    for rule in ("auto", "welch", "none"):
        need_rule(scores, GeneSelection(rule))
    with pytest.raises(OmicsError, match="DESeq2 needs raw counts"):
        need_rule(scores, GeneSelection("deseq2"))
    need_rule(some_counts(6), GeneSelection("deseq2"))
    monkeypatch.setitem(sys.modules, "pydeseq2", None)
    for rule in ("auto", "deseq2"):
        with pytest.raises(OmicsError, match="needs pydeseq2, which is not installed"):
            need_rule(some_counts(6), GeneSelection(rule))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rule": "wilcoxon"}, "rule 'wilcoxon'; known: auto, deseq2"),
        ({"rule": "deseq"}, "did you mean 'deseq2'"),
        ({"adjust": "fdr"}, "adjust 'fdr'"),
        ({"alpha": 0.0}, "between 0 and 1"),
        ({"min_genes": -1}, "from 0 on"),
    ],
)
def test_a_wrong_setting_is_refused_before_any_work(settings, words):
    with pytest.raises(ModelError, match=words):
        GeneSelection(**settings)
