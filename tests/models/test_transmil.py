"""TransMIL's laws: unequal bags keep apart, what the pinned attention did wrong, maps, sizes and checkpoints."""

import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import rename
from prognoscope.models.creation import create_model
from prognoscope.models.transmil.names import NAMES
from prognoscope.models.transmil.network import TransMIL

OPTIONS = [{}, {"alignment": "legacy"}, {"attention": "exact"}]


def model_of(**options):
    with seeded(0):
        return TransMIL(6, 4, **{"hidden_dim": 16, "landmarks": 8, **options}).eval()


def inputs_of(*lengths, seed=0):
    values = torch.randn(sum(lengths), 6, generator=torch.Generator().manual_seed(seed))
    return Inputs(Bags(values, torch.tensor(lengths)))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_batch_has_the_gradients_and_maps_of_patients_one_by_one(options):
    inputs = inputs_of(1, 40, 3, 9).to("cpu", dtype=torch.float64)
    target = Target(torch.tensor([0, 1, 2, 3]), torch.tensor([True, False, True, True]), torch.ones(4))
    together, apart = model_of(**options).double(), model_of(**options).double()
    output = together(inputs)
    together.survival_loss(output, target).sum().backward()
    alone = [apart(one) for one in inputs.split()]
    for each, its_target in zip(alone, target.split(), strict=True):
        apart.survival_loss(each, its_target).sum().backward()
    for name in ("layer1", "layer2"):
        assert_close(output.details[name], torch.cat([each.details[name] for each in alone]))
    for (name, ours), theirs in zip(together.named_parameters(), apart.parameters(), strict=True):
        assert_close(ours.grad, theirs.grad, atol=1e-9, rtol=1e-6, msg=lambda m, w=name: f"{w}: {m}")


def test_legacy_alignment_matters_only_where_zeros_were_put_in_front():
    current, legacy = (model_of(landmarks=5, alignment=alignment) for alignment in ("current", "legacy"))
    fits = inputs_of(4)  # with the class token 5 tokens, as many as landmarks
    assert_close(legacy(fits).logits, current(fits).logits)
    needs_zeros = inputs_of(16)
    assert (legacy(needs_zeros).logits - current(needs_zeros).logits).abs().max() > 1e-3


def test_the_class_token_alone_is_that_of_the_whole_second_layer():
    for options in OPTIONS:
        model, inputs = model_of(**options), inputs_of(40, 2)
        whole, _ = model.encoder(inputs.bags.replace(model.project(inputs.bags.values)))
        assert_close(model(inputs).details["slide"], whole)


def test_class_token_rows_are_those_of_the_full_map_folded():
    model, inputs = model_of(), inputs_of(5)
    tokens = torch.cat([model.encoder.class_token[0], model.project(inputs.bags.values)])
    tokens = torch.cat([tokens, tokens[1:5]])  # 5 patches fill a square of 9 with copies of the first 4
    layer = model.encoder.layer1
    row = layer.attend.map(layer.norm(tokens)).detach()[:, -10, -9:].mean(dim=0)
    assert_close(model(inputs).details["layer1"], torch.cat([row[:4] + row[5:], row[4:5]]))


def test_attention_has_the_magnitudes_of_the_second_layer():
    inputs = inputs_of(4, 1)
    output = model_of(attention="exact")(inputs)  # whose rows have no signs
    layer2 = output.details["layer2"]
    assert (layer2 > 0).all()
    assert_close(output.attention["patches"], layer2 / inputs.bags.sum(layer2)[inputs.bags.owner])
    signed = model_of()(inputs_of(40)).attention["patches"]
    assert (signed >= 0).all() and signed.sum().item() == pytest.approx(1)
    assert model_of().train()(inputs).attention == {}


def test_parameters_number_as_published_and_the_class_token_starts_with_unit_spread():
    model = TransMIL(1024, 4)
    assert sum(p.numel() for p in model.parameters()) == 2_673_172
    assert model.encoder.layer1.attend.landmarks == 256
    assert 0.9 < model.encoder.class_token.std() < 1.1


@pytest.mark.parametrize("head", ["_fc2", "classifier"])
def test_checkpoints_of_both_publications_load_and_say_what_is_missing(head, tmp_path):
    model, inputs = model_of(), inputs_of(7)
    back = {ours: theirs for theirs, ours in NAMES.items()} | {"head": head}
    state = {rename(name, back): value for name, value in model.state_dict().items()}
    assert {"cls_token", "_fc1.0.weight", "pos_layer.proj2.bias", "layer2.attn.to_qkv.weight", "norm.bias"} < set(state)
    torch.save(state, tmp_path / "theirs.pt")
    again = create_model("transmil", weights=tmp_path / "theirs.pt", landmarks=8)
    assert torch.equal(again(inputs).logits, model(inputs).logits)
    state["norm.beta"] = state.pop("norm.bias")
    torch.save(state, tmp_path / "theirs.pt")
    with pytest.raises(ModelError, match=r"does not fit transmil: missing norm\.bias; left over norm\.beta"):
        create_model("transmil", weights=tmp_path / "theirs.pt")


def test_what_does_not_fit_is_refused():
    with pytest.raises(ModelError, match="transmil has no alignment 'legacey'; did you mean 'legacy'"):
        model_of(alignment="legacey")
    with pytest.raises(ModelError, match="transmil has no attention 'none'"):
        model_of(attention="none")
    with pytest.raises(ModelError, match="Tokens of width 12 cannot be cut into 8 equal heads"):
        model_of(hidden_dim=12)
    with pytest.raises(InputError, match="1 of 2 patients have no patches. Leave them out: transmil needs slides"):
        model_of()(inputs_of(3, 0))
