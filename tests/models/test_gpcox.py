"""The method against closed forms, another library, and cohorts whose truth is known."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import ModelError
from prognoscope.evaluation.concordance import concordance
from prognoscope.explanation.faithfulness import shuffled
from prognoscope.models.creation import create_model
from prognoscope.models.gpcox.posterior import fit_posterior
from prognoscope.models.gpcox.slide_features import SlideFeatures
from prognoscope.models.layers.cox_likelihood import PartialLikelihood
from prognoscope.models.registry import profile_of

DIM, PATCHES = 12, 60
KINDS = np.eye(DIM)[:3] * 8  # far apart


def cohort_of(count, seed, *, effect=1.0, product=0.0):
    """Patients whose hazard follows a share of tissue, a gene programme and their product."""
    rng = np.random.default_rng(seed)
    share, programme = rng.uniform(0.1, 0.9, count), rng.standard_normal(count)
    bags = []
    for each in share:
        kind = np.where(rng.random(PATCHES) < each, 1, rng.choice([0, 2], PATCHES))
        bags.append(KINDS[kind] + rng.standard_normal((PATCHES, DIM)))
    genes = programme[:, None] * np.linspace(0.4, 0.9, 9) + 0.6 * rng.standard_normal((count, 9))
    standard = (share - 0.5) / 0.23
    log_hazard = effect * (standard + programme) + product * standard * programme
    time = rng.exponential(np.exp(-log_hazard)) * 30
    end = rng.uniform(5, 90, count)
    values = torch.tensor(np.concatenate(bags), dtype=torch.float32)
    inputs = Inputs(
        Bags(values, torch.full((count,), PATCHES)),
        (torch.tensor(genes[:, :4], dtype=torch.float32), torch.tensor(genes[:, 4:], dtype=torch.float32)),
        torch.tensor(rng.standard_normal((count, 2)), dtype=torch.float32),
    )
    times = torch.tensor(np.minimum(time, end).clip(0.01), dtype=torch.float32)
    event = torch.tensor(time <= end)
    return inputs, Target(torch.zeros(count, dtype=torch.int64), event, times), log_hazard


def fitted(inputs, target, **options):
    torch.manual_seed(0)
    groups = tuple(group.shape[1] for group in inputs.omics)
    clinical = 0 if inputs.clinical is None else inputs.clinical.shape[1]
    dim = inputs.bags.values.shape[1] if len(inputs.bags.values) else 0
    model = create_model("gpcox", embedding_dim=dim, group_sizes=groups, n_clinical=clinical, n_bins=4, **options)
    alone = inputs.split()
    model.fit(target, [0.0, 5.0, 10.0, 30.0, np.inf], lambda rows: joined([alone[row] for row in rows]))
    return model.eval()


def joined(parts):
    bags = Bags(torch.cat([one.bags.values for one in parts]), torch.cat([one.bags.lengths for one in parts]))
    omics = tuple(torch.cat(groups) for groups in zip(*(one.omics for one in parts), strict=True))
    clinical = None if parts[0].clinical is None else torch.cat([one.clinical for one in parts])
    return Inputs(bags, omics, clinical)


def c_index(risk, target):
    return concordance(risk.double().numpy(), time=target.time.double().numpy(), event=target.event.numpy()).value


@pytest.fixture(scope="module")
def with_product():
    inputs, target, _ = cohort_of(220, 1, product=0.9)
    return fitted(inputs, target), fitted(inputs, target, product=False)


def test_new_patients_are_ranked_nearly_as_by_the_truth_and_the_product_is_found(with_product):
    inputs, target, log_hazard = cohort_of(400, 2, product=0.9)
    whole, without = (c_index(model(inputs).risk, target) for model in with_product)
    truth = c_index(torch.tensor(log_hazard), target)
    assert whole > truth - 0.03
    assert whole > without + 0.01


def test_the_risk_is_the_sum_of_its_parts(with_product):
    output = with_product[0](cohort_of(7, 3)[0])
    assert_close(output.details["parts"].sum(dim=1), output.risk)
    assert (output.details["parts"].std(dim=0) > 0.01).all()


def test_where_nothing_tells_anything_the_risks_are_nearly_equal():
    inputs, target, _ = cohort_of(220, 4, effect=0.0)
    assert float(fitted(inputs, target)(cohort_of(200, 5)[0]).risk.std()) < 0.3


def test_a_patient_without_slides_or_genes_has_the_parts_that_are_left(with_product):
    inputs, _, _ = cohort_of(5, 6)
    model = with_product[0]
    whole = model(inputs).details["parts"]
    no_genes = Inputs(inputs.bags, tuple(torch.full_like(g, torch.nan) for g in inputs.omics), inputs.clinical)
    no_slides = Inputs(Bags(torch.zeros(0, DIM), torch.zeros(5, dtype=torch.int64)), inputs.omics, inputs.clinical)
    zero = torch.zeros(5)
    assert_close(model(no_genes).details["parts"], torch.stack([whole[:, 0], zero, whole[:, 2], zero], dim=1))
    assert_close(model(no_slides).details["parts"], torch.stack([zero, whole[:, 1], whole[:, 2], zero], dim=1))


def test_patients_who_lack_something_teach_what_they_have():
    inputs, target, _ = cohort_of(240, 7)
    lacking = torch.rand(240, generator=torch.Generator().manual_seed(1)) < 0.5
    genes = tuple(torch.where(lacking[:, None], torch.nan, group) for group in inputs.omics)
    model = fitted(Inputs(inputs.bags, genes, inputs.clinical), target)
    rows = [i for i in range(240) if not lacking[i]]
    alone = inputs.split()
    fewer = fitted(joined([alone[i] for i in rows]), target.take(torch.tensor(rows)))
    new, outcome, _ = cohort_of(300, 8)
    assert c_index(model(new).risk, outcome) > 0.74
    assert not torch.equal(model.weights, fewer.weights)


@pytest.mark.parametrize("has", ["slides", "genes", "covariates"])
def test_one_modality_alone_is_enough(has):
    inputs, target, _ = cohort_of(120, 9)
    none = Bags(torch.zeros(0, 1), torch.zeros(120, dtype=torch.int64))
    alone = Inputs(
        inputs.bags if has == "slides" else none,
        inputs.omics if has == "genes" else (),
        inputs.clinical if has == "covariates" else None,
    )
    model = fitted(alone, target)
    assert model(alone).logits.isfinite().all()
    assert (c_index(model(alone).risk, target) > 0.65) == (has != "covariates")


def test_nothing_to_predict_from_is_refused():
    with pytest.raises(ModelError, match="needs slides, genes or covariates, and the cohort has none"):
        create_model("gpcox", embedding_dim=0, group_sizes=(), n_clinical=0, n_bins=4)


def test_it_needs_what_there_is_and_slides_or_genes_are_enough():
    sizes = {"embedding_dim": 4, "group_sizes": (3,), "n_clinical": 1}
    profile = profile_of("gpcox", sizes)
    assert profile.needs == {"bag", "omics", "clinical"}
    assert set(profile.enough) == {frozenset({"bag", "clinical"}), frozenset({"omics", "clinical"})}
    assert profile_of("gpcox", {**sizes, "embedding_dim": 0}).enough == (frozenset({"omics", "clinical"}),)


def test_the_influence_of_patches_is_the_derivative_of_the_risk_by_their_share(with_product):
    model = with_product[0]
    one = cohort_of(1, 10)[0]
    values = one.bags.values
    many = Bags(values.repeat(200, 1), torch.tensor([200 * PATCHES]))  # large, so that one patch is a small share
    inputs = Inputs(many, one.omics, one.clinical)
    told = model.explain(inputs).patches["influence"].values
    base = model(inputs).risk.double()
    for patch in (0, 7, 31):
        more = Bags(torch.cat([many.values, values[patch].repeat(12, 1)]), torch.tensor([200 * PATCHES + 12]))
        risk = model(Inputs(more, one.omics, one.clinical)).risk.double()
        assert_close((risk - base) / (12 / (200 * PATCHES + 12)), told[[patch]].double(), atol=0.02, rtol=0.05)


def test_gene_groups_add_up_to_what_the_genes_add(with_product):
    inputs = cohort_of(6, 11)[0]
    told = with_product[0].explain(inputs).gene_groups["part"].values
    assert_close(told.sum(dim=1), with_product[0](inputs).details["parts"][:, 1], atol=1e-5, rtol=1e-4)


def test_influence_finds_the_tissue_that_the_hazard_follows(with_product):
    inputs = cohort_of(20, 12)[0]
    told = with_product[0].explain(inputs).patches["influence"].values
    is_risky = (inputs.bags.values[:, 1] - inputs.bags.values[:, [0, 2]].amax(dim=1)) > 0
    assert told[is_risky].median() > told[~is_risky].median()


def test_one_vector_a_patient_is_read_along_all_its_axes():
    torch.manual_seed(1)
    features = SlideFeatures(10, kinds=4, axes=3)
    vectors = torch.randn(50, 10)
    features.fit(vectors[:, None], 0)
    told = features(Bags(vectors, torch.ones(50, dtype=torch.int64)))
    assert torch.linalg.matrix_rank(told - told.mean(dim=0)) == 10


def test_derivatives_are_those_of_the_likelihood():
    rng = np.random.default_rng(0)
    time, event = rng.integers(1, 9, 30).astype(float), rng.random(30) < 0.6  # with ties
    features, weights = rng.standard_normal((30, 3)), rng.standard_normal(3)
    likelihood = PartialLikelihood(time, event)
    gradient, information = likelihood.derivatives(features, weights)
    step = 1e-5 * np.eye(3)
    ahead, behind = ([likelihood.value(features, weights + sign * each) for each in step] for sign in (1, -1))
    np.testing.assert_allclose((np.array(ahead) - behind) / 2e-5, gradient, rtol=1e-5, atol=1e-6)
    slopes = [likelihood.derivatives(features, weights + each)[0] for each in step]
    np.testing.assert_allclose((gradient - np.array(slopes)) / 1e-5, information, rtol=1e-3, atol=1e-3)


def test_the_mode_is_that_of_a_ridge_regression_by_another_library():
    import pandas as pd
    from lifelines import CoxPHFitter

    rng = np.random.default_rng(3)
    features = rng.standard_normal((150, 4))
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    time = rng.exponential(np.exp(-features @ [0.8, -0.5, 0.0, 0.2])) + rng.uniform(0, 1e-3, 150)
    event = rng.random(150) < 0.7
    found = fit_posterior([features / 2], time, event)  # a mean square length of 1
    penalty = 4 / found.variances[0] / 150  # lifelines: times P / 2 times the square
    table = pd.DataFrame(features).assign(time=time, event=event)
    fitter = CoxPHFitter(penalizer=penalty).fit(table, "time", "event")
    ratio = found.mean / 2
    np.testing.assert_allclose(ratio, fitter.params_.to_numpy(), rtol=0.02, atol=0.005)


def test_a_block_that_tells_is_given_more_variance_than_one_that_does_not():
    rng = np.random.default_rng(5)
    tells, silent = rng.standard_normal((300, 3)) / 3**0.5, rng.standard_normal((300, 3)) / 3**0.5
    time = rng.exponential(np.exp(-3 * tells[:, 0]))
    found = fit_posterior([tells, silent], time, np.ones(300, dtype=bool))
    assert found.variances[0] > 10 * found.variances[1]


def test_what_was_learned_can_be_shuffled_though_nothing_of_it_is_a_parameter(with_product):
    inputs = cohort_of(6, 13)[0]
    other = shuffled(with_product[0], 0)
    told, unlearned = (each.explain(inputs).patches["influence"].values for each in (with_product[0], other))
    assert abs(np.corrcoef(told, unlearned)[0, 1]) < 0.9
