"""The parts of an explanation against closed forms: a model whose log risk is known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output
from prognoscope.explanation.explanation import PatchScores
from prognoscope.explanation.faithfulness import against_truth, agreement, curves, shuffled
from prognoscope.explanation.gradients import gene_attribution, patch_attribution
from prognoscope.explanation.leaving_out import MOST_REGIONS, gene_group_effects, region_effects, regions_of
from prognoscope.explanation.log_risk import log_risk, log_risks
from prognoscope.explanation.modalities import modality_worths
from prognoscope.models.base import SurvivalModel
from prognoscope.models.ccl.network import CCL
from prognoscope.models.meanmil.network import MeanMIL
from prognoscope.models.profile import Profile
from prognoscope.models.snn.network import SNN

MOST = 10_000  # patches of a pass


class Known(SurvivalModel):
    """Its log risk is the mean first feature of the patches plus the first gene, or their product."""

    card = SimpleNamespace(profile_with=lambda options: Profile(needs=frozenset({"bag", "omics"})))

    def __init__(self, product=False):
        super().__init__()
        self.product = product
        self.weight = torch.nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 0.0]))

    def forward(self, inputs):
        slides = inputs.bags.mean(inputs.bags.values @ self.weight)
        genes = inputs.omics[0][:, 0]
        risk = slides * genes if self.product else slides + genes
        return Output(torch.zeros(len(inputs), 3), risk)


def patient(n=8, seed=0, coords=None):
    generator = torch.Generator().manual_seed(seed)
    bags = Bags(torch.randn(n, 4, generator=generator), torch.tensor([n]), coords)
    return Inputs(bags, (torch.randn(1, 5, generator=generator), torch.randn(1, 3, generator=generator)))


def scores(values, name="map", *, is_signed=True):
    return PatchScores(name, np.asarray(values, float), "", "", "", is_signed=is_signed)


@given(hazards=st.lists(st.floats(0.05, 0.9), min_size=1, max_size=6), ratio=st.floats(0.2, 5))
@settings(deadline=None)
def test_the_log_risk_of_proportional_hazards_differs_by_the_log_hazard_ratio(hazards, ratio):
    survival = torch.tensor([hazards], dtype=torch.float64).neg().add(1)
    other = survival**ratio
    told = log_risk(Output(torch.cat([(1 - each).logit() for each in (survival, other)]).float()))
    assert float(told[1] - told[0]) == pytest.approx(np.log(ratio), abs=1e-3)


def test_the_log_risk_of_a_cox_model_is_its_own():
    ratio = torch.tensor([0.3, -2.0])
    assert_close(log_risk(Output(torch.zeros(2, 3), ratio)), ratio)


def test_the_log_risk_is_finite_where_survival_is_certain_or_gone():
    assert log_risk(Output(torch.tensor([[-1e4, -1e4], [1e4, 1e4]]))).isfinite().all()


def test_variants_through_one_pass_or_many_have_equal_log_risks():
    variants = [patient(n, seed=n) for n in (3, 9, 1, 6)]
    alone = [float(log_risk(Known()(each)).detach()) for each in variants]
    for most in (1, 7, MOST):
        np.testing.assert_allclose(log_risks(Known(), variants, most_patches=most), alone, rtol=1e-6)


def test_integrated_gradients_add_up_to_the_change_of_the_log_risk():
    inputs, model = patient(), SNN((5, 3), 4, widths=(16, 16)).eval()
    average = Inputs(inputs.bags, tuple(torch.zeros_like(group) for group in inputs.omics))
    change = log_risk(model(inputs)) - log_risk(model(average))
    total = sum(group.sum(dim=1) for group in gene_attribution(model, inputs, steps=300))
    assert_close(total, change.detach(), atol=2e-3, rtol=2e-3)


def test_a_group_left_out_costs_what_it_added():
    inputs = patient()
    effects = gene_group_effects(Known(), inputs, most_patches=MOST)
    np.testing.assert_allclose(effects, [float(inputs.omics[0][0, 0]), 0.0], atol=1e-6)


def test_the_gradient_of_a_linear_model_is_what_each_patch_adds():
    inputs = patient()
    assert_close(patch_attribution(Known(), inputs), inputs.bags.values[:, 0] / 8)


def test_where_no_gradient_reaches_the_patches_there_is_no_map():
    assert patch_attribution(CCL(4, (5, 3), 4, k=2, d=16, gene_hidden=8, heads=2), patient()) is None


def test_a_region_left_out_changes_the_mean_by_as_much_as_it_must():
    inputs, regions = patient(), np.array([0, 0, 0, 1, 1, 2, 2, 2])
    effect = region_effects(Known(), inputs, regions, most_patches=MOST)
    first = inputs.bags.values[:, 0].numpy()
    expected = [first.mean() - first[regions != region].mean() for region in regions]
    np.testing.assert_allclose(effect, expected, atol=1e-6)
    assert region_effects(Known(), inputs, np.zeros(8, int), most_patches=MOST) is None


@given(n=st.integers(1, 400), slides=st.integers(1, 3), known=st.booleans())
@settings(deadline=None, max_examples=40)
def test_regions_are_few_lie_in_one_slide_each_and_are_there_for_every_patch(n, slides, known):
    rng = np.random.default_rng(n)
    coords = torch.from_numpy(rng.uniform(0, 10_000, (n, 2))).float() if known else None
    cuts = sorted(rng.integers(0, n + 1, slides - 1))
    edges = [0, *map(int, cuts), n]
    told = [(f"s{i}", edges[i], edges[i + 1]) for i in range(slides)]
    regions = regions_of(patient(n, coords=coords), told)
    assert regions.shape == (n,)
    assert len(np.unique(regions)) <= MOST_REGIONS
    if n <= MOST_REGIONS:
        assert len(np.unique(regions)) == n
    if known or n <= MOST_REGIONS:
        parts = [set(regions[first:last]) for _, first, last in told]
        assert sum(map(len, parts)) == len(set().union(*parts))


@pytest.mark.parametrize("product", [False, True])
def test_shapley_values_add_up_and_are_exact(product):
    own, others = patient(), [patient(5, seed=s) for s in (3, 4, 5)]
    slides, genes = modality_worths(Known(product), own, others, most_patches=MOST)
    assert (slides.modality, genes.modality) == ("slides", "genes")

    def value(bag, gene):
        mean = float(bag.bags.values[:, 0].mean())
        return mean * gene if product else mean + gene

    gene = float(own.omics[0][0, 0])
    whole = value(own, gene)
    base = np.mean([value(each, float(each.omics[0][0, 0])) for each in others])
    slides_alone = np.mean([value(own, float(each.omics[0][0, 0])) for each in others])
    genes_alone = np.mean([value(each, gene) for each in others])
    assert slides.shapley + genes.shapley == pytest.approx(whole - base, abs=1e-5)
    assert slides.shapley == pytest.approx((slides_alone - base + whole - genes_alone) / 2, abs=1e-5)
    assert (slides.without, genes.without) == pytest.approx((whole - genes_alone, whole - slides_alone), abs=1e-5)


def test_deletion_finds_a_map_that_is_right_and_one_that_is_upside_down():
    inputs = patient(40)
    first = inputs.bags.values[:, 0].numpy()
    measured = curves(Known(), inputs, [scores(first, "right"), scores(-first, "wrong")], most_patches=MOST)
    found = {(name, measure): value for name, measure, value in measured}
    assert found["right", "deletion_area"] > 0 > found["wrong", "deletion_area"]
    assert found["right", "insertion_area"] > 0 > found["wrong", "insertion_area"]
    assert abs(found["right", "random_deletion_area"]) < found["right", "deletion_area"]


def test_a_map_without_sign_is_judged_by_how_far_the_log_risk_moves():
    inputs = patient(40)
    values = np.abs(inputs.bags.values[:, 0].numpy())
    found = {m: v for _, m, v in curves(Known(), inputs, [scores(values, is_signed=False)], most_patches=MOST)}
    assert min(found.values()) >= 0


def test_flat_maps_and_bags_of_one_are_not_judged():
    assert curves(Known(), patient(8), [scores(np.ones(8))], most_patches=MOST) == []
    assert curves(Known(), patient(1), [scores([1.0])], most_patches=MOST) == []


def test_shuffled_weights_are_the_same_numbers_elsewhere():
    model = MeanMIL(4, 3, widths=(8, 8))
    other = shuffled(model, 0)
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert_close(mine.flatten().sort().values, theirs.flatten().sort().values)
    assert not torch.equal(model.head.weight, other.head.weight)


def test_agreement_is_the_rank_correlation_of_equal_names():
    maps = [scores([1, 2, 3, 4], "a"), scores([1, 1, 1, 1], "flat")]
    others = [[scores([10, 20, 30, 45], "a")], [scores([4, 3, 2, 1], "a"), scores([1, 2, 3, 4], "flat")]]
    assert agreement("m", maps, others[:1]) == [("a", "m", pytest.approx(1.0))]
    assert agreement("m", maps, others) == [("a", "m", pytest.approx(0.0))]


def test_a_map_is_set_against_the_truth_by_its_size_where_it_has_a_sign():
    truth = {"tumour": np.array([True, True, False, False]), "nothing": np.zeros(4, bool)}
    assert against_truth([scores([-3, 2, 1, 0.5])], truth) == [("map", "auroc_tumour", 1.0)]
    assert against_truth([scores([-3, 2, 1, 0.5], is_signed=False)], truth) == [("map", "auroc_tumour", 0.5)]
