import numpy as np
import pytest

from prognoscope.simulation.genes import CONSTANT, SHARED, express, gene_world, groups_table, ungrouped
from prognoscope.simulation.patients import SUBTYPES, draw_patients


@pytest.fixture(scope="module")
def patients():
    return draw_patients(400, 1, sites=4)


@pytest.fixture(scope="module")
def expression(patients):
    return express(patients, 1)


def test_six_groups_share_one_gene_and_leave_some_out(expression):
    groups = gene_world().groups
    assert len(groups) == 6
    assert all(20 <= len(genes) <= 81 for genes in groups.values())
    assert sum(SHARED[0] in genes for genes in groups.values()) == 2
    grouped = {gene for genes in groups.values() for gene in genes}
    assert set(expression.columns) == grouped | set(ungrouped())
    assert not grouped & set(ungrouped())
    assert groups_table().notna().sum().tolist() == [len(genes) for genes in groups.values()]


def test_expression_is_standardised_with_a_constant_gene_and_a_few_gaps(expression):
    varying = expression.drop(columns=CONSTANT)
    assert (expression[CONSTANT] == 0).all()
    assert varying.mean().abs().max() < 0.4  # four sites, each with a shift
    assert varying.std().between(0.8, 1.2).all()
    assert 0.001 < varying.isna().to_numpy().mean() < 0.004


@pytest.mark.parametrize("factor", ["proliferation", "immune", "programme", "subtype"])
def test_genes_follow_their_factor_as_stated(patients, expression, factor):
    truth = (patients["subtype"] == SUBTYPES[1]).astype(float) if factor == "subtype" else patients[factor]
    loadings = gene_world().loadings[factor]
    seen = expression.drop(columns=CONSTANT).corrwith(truth)
    assert (seen - loadings.drop(CONSTANT)).abs().max() < 0.2
    assert (loadings != 0).sum() >= 8


def test_necrosis_does_not_show_in_genes(patients, expression):
    seen = expression.drop(columns=CONSTANT).corrwith(patients["necrosis"]).abs()
    assert seen.max() < 4 / np.sqrt(len(patients))


def test_the_genes_are_the_same_in_every_cohort():
    np.testing.assert_array_equal(gene_world().loadings, gene_world().loadings)
    first, second = (express(draw_patients(30, seed, sites=2), seed) for seed in (0, 1))
    assert list(first.columns) == list(second.columns)
    assert not first.equals(second)
