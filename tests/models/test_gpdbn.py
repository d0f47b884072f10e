"""GPDBN's laws: outer products that can be left out, vectors given or made, and a Cox loss that sorts by itself."""

import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.creation import create_model
from prognoscope.models.gpdbn.network import GPDBN

TIMES = torch.tensor([5.0, 2.0, 5.0, 9.0, 1.0, 2.0])  # two ties
EVENTS = torch.tensor([True, True, False, True, False, True])


def model_with(**options):
    with seeded(0):
        return GPDBN(5, (3, 4), 4, **{"dim": 6, "encoder_widths": (8, 7), "bilinear_hidden": 3, **options}).eval()


def batch_of(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(sum(lengths), 5, generator=generator)
    omics = tuple(torch.randn(len(lengths), size, generator=generator) for size in (3, 4))
    return Inputs(Bags(values, torch.tensor(lengths)), omics)


def target():
    return Target(torch.tensor([2, 1, 2, 3, 0, 1]), EVENTS, TIMES)


def partial_likelihood(ratio):
    """Cox's, patient by patient: everybody followed at least as long is at risk."""
    return sum(TIMES.ge(TIMES[i]).mul(ratio.exp()).sum().log() - ratio[i] for i in range(6) if EVENTS[i])


@pytest.mark.parametrize(("variant", "divisor"), [("paper", 4), ("released", 5)])
def test_the_cox_loss_is_the_partial_likelihood_in_any_order_of_patients(variant, divisor):
    model, inputs = model_with(head="cox", variant=variant), batch_of([2, 1, 3, 1, 4, 2])
    output = model(inputs)
    expected = partial_likelihood(output.log_hazard_ratio) / divisor
    assert_close(model.survival_loss(output, target()).mean(), expected)
    nobody = Target(target().bin, torch.zeros(6, dtype=torch.bool), TIMES)
    assert model.survival_loss(output, nobody).eq(0).all()


def test_the_cox_risk_is_the_bounded_ratio_and_its_baseline_is_learned_and_kept():
    model, inputs = model_with(head="cox"), batch_of([2, 1, 3, 1, 4, 2])
    torch.nn.init.constant_(model.head.last.bias, 50.0)
    output = model(inputs)
    assert_close(output.risk, torch.full((6,), 3.0))
    model.before_training(target(), lambda rows: inputs)
    begun = model(inputs).logits
    model.remember(model.to_remember(output, target()))
    learned = model(inputs).logits
    assert not torch.equal(output.logits, begun) and not torch.equal(begun, learned)
    again = model_with(head="cox")
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(inputs).logits, learned)


def test_discrete_hazards_remember_nothing():
    model, inputs = model_with(), batch_of([2, 1, 3, 1, 4, 2])
    output = model(inputs)
    assert model.to_remember(output, target()) == {} and output.log_hazard_ratio is None


@pytest.mark.parametrize("head", ["discrete", "cox"])
def test_pairs_add_up_to_how_the_risk_moves_with_the_product_between_modalities(head):
    model, inputs = model_with(head=head).double(), batch_of([2, 5]).to("cpu", dtype=torch.float64)
    pairs = model.stages(inputs)["pairs"]
    assert pairs.shape == (2, 6, 6) and not pairs.requires_grad
    risks, step = [], 1e-6
    for sign in (1, -1):
        with torch.no_grad():
            model.inter.weight.mul_(1 + sign * step)
            risks.append(model(inputs).risk)
            model.inter.weight.div_(1 + sign * step)
    assert_close(pairs.sum(dim=(1, 2)), (risks[0] - risks[1]) / (2 * step), atol=1e-7, rtol=1e-4)


def test_blocks_that_are_left_out_are_not_there():
    inputs = batch_of([2, 5])
    full = model_with()(inputs).details["fusion_input"].shape[1]
    assert full == 6 + 6 + 3 * 3
    assert model_with(use_inter=False)(inputs).details["fusion_input"].shape[1] == full - 3
    assert model_with(use_intra=False)(inputs).details["fusion_input"].shape[1] == full - 6
    assert model_with(use_inter=False).stages(inputs) == {}


def test_given_vectors_are_read_as_they_are():
    model, inputs = model_with(inputs="vectors"), batch_of([1, 1, 1])
    output = model(inputs)
    assert torch.equal(output.details["path"], inputs.bags.values)
    assert torch.equal(output.details["gene"], torch.cat(inputs.omics, dim=1))
    assert output.attention["patches"].tolist() == [1, 1, 1]
    with pytest.raises(InputError, match="2 of 3 patients have not exactly one row of values"):
        model(batch_of([1, 2, 3]))


def test_mean_pooling_weighs_all_patches_alike():
    inputs = batch_of([4, 1])
    model = model_with(pooling="mean")
    output = model(inputs)
    assert_close(output.attention["patches"], torch.tensor([0.25, 0.25, 0.25, 0.25, 1.0]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(model(batch_of([301])).attention["patches"], torch.full((301,), 1 / 301))
    mean = model.path.project(inputs.bags.values[:4]).mean(dim=0, keepdim=True)
    assert_close(output.details["path"][:1], model.path.end(mean))


def test_a_gene_of_two_groups_is_read_once():
    names = (("A", "B", "C"), ("C", "D", "E", "A"))
    assert model_with(gene_names=names).gene[0][0].in_features == 5


def test_what_cannot_be_is_refused():
    with pytest.raises(ModelError, match="gpdbn has no head 'coxs'; did you mean 'cox'"):
        model_with(head="coxs")
    with pytest.raises(ModelError, match="gpdbn's encoder has 2 layers, but dropout has 3 rates"):
        model_with(dropout=(0.3, 0.3, 0.1))
    with pytest.raises(ModelError, match=r"gpdbn's encoder needs widths of at least 1, not \(8, 0\)"):
        model_with(encoder_widths=(8, 0))
    with pytest.raises(InputError, match="1 of 2 patients have no patches"):
        model_with()(batch_of([2, 0]))
    one_a_layer = {"encoder_widths": (8, 7), "dropout": [0.3, 0.2]}
    model = create_model("gpdbn", embedding_dim=5, group_sizes=(3, 4), n_bins=4, **one_a_layer)
    assert [layer[2].p for layer in model.encoder] == [0.3, 0.2]
    with pytest.raises(ModelError, match=r"dropout=\[0.3, 1\]. Give a number from 0 to below 1"):
        create_model("gpdbn", embedding_dim=5, group_sizes=(3, 4), n_bins=4, **one_a_layer | {"dropout": [0.3, 1]})


def published(model):
    theirs = {"inter": "gene_path.0", "intra_gene": "gene_gene.0", "intra_path": "path_path.0"}
    theirs |= {"encoder": "encoder", "head.last": "classifier.0"}
    state = {
        theirs[ours] + name.removeprefix(ours): value
        for name, value in model.state_dict().items()
        for ours in theirs
        if name.startswith(f"{ours}.")
    }
    return {**state, "output_range": torch.tensor([6.0])}


@pytest.mark.parametrize(
    "options", [{"use_inter": False}, {"use_intra": False}, {"head": "discrete"}, {"encoder_widths": (5,)}]
)
def test_a_checkpoint_tells_its_blocks_and_its_head(options):
    with seeded(0):
        model = GPDBN(5, (5,), 3, inputs="vectors", bilinear_hidden=3, **{"head": "cox", **options}).eval()
    inputs = Inputs(Bags(torch.randn(2, 5), torch.tensor([1, 1])), (torch.randn(2, 5),))
    assert torch.equal(load_released("gpdbn", published(model))(inputs).risk, model(inputs).risk)


def test_a_published_checkpoint_must_be_whole():
    model = model_with(inputs="vectors", head="cox")
    state = published(model)
    inputs = batch_of([1, 1])
    loaded = load_released("gpdbn", state)
    one_vector = Inputs(inputs.bags, (torch.cat(inputs.omics, dim=1),))
    assert torch.equal(loaded(one_vector).risk, model(inputs).risk)
    with pytest.raises(ModelError, match="missing gene_path.0.bias; left over extra"):
        load_released("gpdbn", {k: v for k, v in state.items() if k != "gene_path.0.bias"} | {"extra": torch.ones(1)})
