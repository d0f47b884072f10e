"""Dual-stream attention: patients keep apart in every version, and the original's start; the method made of it."""

import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.losses import discrete_nll
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import rename
from prognoscope.models.creation import create_model
from prognoscope.models.dsmil.names import NAMES
from prognoscope.models.dsmil.network import logit_of_mean_chance
from prognoscope.models.layers.dsmil import DSMIL
from prognoscope.models.sizes import Sizes

OPTIONS = [{}, {"nonlinear": False}, {"passing_v": True, "dropout_v": 0.4}, {"variant": "mcti", "nonlinear": False}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_bags_together_equal_bags_alone(options):
    generator = torch.Generator().manual_seed(0)
    bags = Bags(torch.randn(28, 6, generator=generator), torch.tensor([1, 20, 7]))
    layer = DSMIL(6, 3, query_dim=5, **options).eval()
    together, alone = layer(bags), [layer(one) for one in bags.each()]
    for name in ("bag_logits", "max_logits", "attention", "pooled"):
        assert_close(getattr(together, name), torch.cat([getattr(each, name) for each in alone]))
    assert_close(bags.sum(together.attention), torch.ones(3, 3))
    assert torch.equal(together.attention[:1], torch.ones(1, 3))


def test_values_drop_out_in_training_only():
    bags = Bags(torch.randn(9, 6, generator=torch.Generator().manual_seed(0)), torch.tensor([9]))
    layer = DSMIL(6, 2, passing_v=True, dropout_v=0.5)
    assert not torch.equal(layer(bags).pooled, layer(bags).pooled)
    layer.eval()
    assert torch.equal(layer(bags).pooled, layer(bags).pooled)


def test_the_original_starts_with_orthogonal_weights_and_no_biases():
    layer = DSMIL(32, 3, query_dim=8, start="orthogonal")
    for name, value in layer.named_parameters():
        if value.ndim == 1:
            assert not value.any(), name
        else:
            rows = value.detach().flatten(1)
            assert_close(rows @ rows.T, torch.eye(len(rows)), atol=1e-5, rtol=0)


def method(**options):
    with seeded(0):
        return create_model("dsmil", embedding_dim=6, n_bins=3, **{"query_dim": 5, **options}).eval()


def inputs_of(*lengths):
    values = torch.randn(sum(lengths), 6, generator=torch.Generator().manual_seed(0))
    return Inputs(Bags(values, torch.tensor(lengths)))


def test_the_loss_is_the_mean_of_both_streams_likelihoods():
    target = Target(torch.tensor([0, 2]), torch.tensor([True, False]), torch.ones(2))
    for average in (False, True):
        model = method(average=average)
        output = model(inputs_of(4, 1))
        streams = [discrete_nll(output.details[name], target) for name in ("bag_logits", "max_logits")]
        assert_close(model.survival_loss(output, target), (streams[0] + streams[1]) / 2)


def test_patches_weigh_as_the_hazards_of_the_bins_that_look_at_them():
    output = method()(inputs_of(4, 1, 7))
    owner, per_bin = inputs_of(4, 1, 7).bags.owner, output.attention["per_bin"]
    hazard = output.hazard[owner]
    assert_close(output.attention["patches"], (per_bin * hazard).sum(dim=1) / hazard.sum(dim=1))


def test_a_bin_s_critical_patch_has_its_largest_logit():
    details = method()(inputs_of(4, 1, 7)).details
    for i, part in enumerate(details["patch_logits"].split([4, 1, 7])):
        assert torch.equal(details["max_logits"][i], part.max(dim=0).values)
        assert torch.equal(details["critical"][i] - (0, 4, 5)[i], part.argmax(dim=0))


def test_averaging_predicts_the_mean_hazard_even_where_hazards_round_to_0_or_1():
    output = method(average=True)(inputs_of(4, 9))
    mean = sum(output.details[name].sigmoid() for name in ("bag_logits", "max_logits")) / 2
    assert_close(output.hazard, mean)
    far = torch.tensor([[300.0, -300.0, 300.0]])
    assert_close(logit_of_mean_chance(far, far), far)
    assert_close(Output(logit_of_mean_chance(far, -far)).hazard, torch.full((1, 3), 0.5))


def test_parameters_number_as_published():
    model = create_model("dsmil", embedding_dim=1024, n_bins=4)
    assert sum(p.numel() for p in model.parameters()) == 168_200


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_published_checkpoint_tells_its_variant_and_what_it_lacks(options, tmp_path):
    model, inputs = method(**options), inputs_of(4, 9)
    back = {ours: theirs for theirs, ours in NAMES.items()}  # the other name of the patch classifier, the shorter one
    state = {rename(name, back): value for name, value in model.state_dict().items()}
    torch.save(state, tmp_path / "theirs.pt")
    assert torch.equal(create_model("dsmil", weights=tmp_path / "theirs.pt")(inputs).logits, model(inputs).logits)
    del state["b_classifier.fcc.bias"]
    torch.save(state, tmp_path / "theirs.pt")
    with pytest.raises(ModelError, match=r"does not fit dsmil: missing b_classifier\.fcc\.bias; left over nothing"):
        create_model("dsmil", weights=tmp_path / "theirs.pt")


def test_what_does_not_fit_is_refused():
    with pytest.raises(ModelError, match="dsmil has no variant 'mctii'; did you mean 'mcti'"):
        method(variant="mctii")
    with pytest.raises(InputError, match="1 of 2 patients have no patches. Leave them out: dsmil needs slides"):
        method()(inputs_of(3, 0))


def test_rounding_chooses_no_other_critical_patches():
    model = create_model("dsmil", sizes=Sizes(4, 64))
    values = 1 + 1e-3 * torch.randn(200, 64, generator=torch.Generator().manual_seed(0))  # nearly alike in bf16
    bags = Bags(values, torch.tensor([200]))
    with torch.no_grad():
        exact = model(Inputs(bags, ()))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = model(Inputs(bags, ()))
    assert torch.equal(rounded.details["critical"], exact.details["critical"])
    assert_close(rounded.details["max_logits"], exact.details["max_logits"])
