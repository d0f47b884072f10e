"""MaxMIL and MeanMIL: who wins a channel, what adds up to the logits, and the published sizes."""

import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import rename
from prognoscope.models.creation import create_model
from prognoscope.models.maxmil.network import MaxMIL
from prognoscope.models.meanmil.network import MeanMIL

VARIANTS = ("paper", "released")


def model_of(kind=MaxMIL, variant="paper"):
    with seeded(0):
        return kind(6, 3, variant=variant, widths=(8, 7)).eval()


def inputs_of(*lengths, seed=0):
    values = torch.randn(sum(lengths), 6, generator=torch.Generator().manual_seed(seed))
    return Inputs(Bags(values, torch.tensor(lengths)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_patch_weighs_what_the_channels_it_wins_weigh(variant):
    model, inputs = model_of(variant=variant), inputs_of(4, 1, 9)
    output = model(inputs)
    reader = model.head if variant == "paper" else model.embed[0][0]
    values = inputs.bags.values if variant == "released" else output.details["patches"]
    for part, ours in zip(inputs.bags.split(values), inputs.bags.split(output.attention["patches"]), strict=True):
        expected = torch.zeros(len(part))
        for channel, column in enumerate(part.T):
            if column.max() != 0:
                expected[column.argmax()] += reader.weight[:, channel].abs().sum()
        assert_close(ours, expected / expected.sum())


@pytest.mark.parametrize("variant", VARIANTS)
def test_patches_that_win_nothing_change_nothing(variant):
    model, inputs = model_of(variant=variant), inputs_of(30)
    output = model(inputs)
    winners = output.details["winners"].unique()
    assert len(winners) < 30
    assert_close(model(Inputs(Bags(inputs.bags.values[winners], torch.tensor([len(winners)])))).logits, output.logits)


def test_of_equal_patches_the_first_wins_and_of_none_all():
    model, inputs = model_of(), inputs_of(5)
    twice = Inputs(Bags(inputs.bags.values.repeat(2, 1), torch.tensor([10])))
    assert model(twice).details["winners"].max() < 5
    with torch.no_grad():
        model.embed[-1][0].bias.fill_(-100)  # every channel is zero in every patch
    assert_close(model(twice).attention["patches"], torch.full((10,), 0.1))


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-6), (torch.float64, 1e-13)])
def test_contributions_to_the_mean_add_up_to_the_logits(dtype, atol):
    model, inputs = model_of(MeanMIL).to(dtype), inputs_of(7, 1, 9).to("cpu", dtype=dtype)
    output = model(inputs)
    added = inputs.bags.sum(output.details["contributions"]) + model.head.bias
    assert_close(added, output.logits, atol=atol, rtol=0)


@pytest.mark.parametrize("kind", [MaxMIL, MeanMIL])
@pytest.mark.parametrize(("variant", "n"), [("paper", 329_220), ("released", 395_012)])
def test_parameters_number_as_published_and_start_as_published(kind, variant, n):
    model = kind(1024, 4, variant=variant)
    assert sum(p.numel() for p in model.parameters()) == n
    first = model.embed[0][0]
    xavier = (2 / (1024 + 256)) ** 0.5
    assert_close(first.weight.std().item(), xavier if variant == "paper" else (3 * 1024) ** -0.5, rtol=0.02, atol=0)
    assert first.bias.any() == (variant == "released")


@pytest.mark.parametrize("name", ["maxmil", "meanmil"])
def test_what_does_not_fit_is_refused(name):
    with pytest.raises(ModelError, match=f"{name} has no variant 'publishd'; known: paper, released"):
        create_model(name, embedding_dim=6, n_bins=3, variant="publishd")


def test_an_empty_bag_has_no_maximum():
    with pytest.raises(InputError, match="1 of 2 patients have no patches. Leave them out: maxmil needs slides"):
        model_of()(inputs_of(3, 0))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_checkpoint_says_what_is_missing(variant, tmp_path):
    model = MaxMIL(6, 3, variant=variant)
    theirs = {"embed.0.0": "pathomics_fc.0", "embed.1.0": "pathomics_fc.3"} if variant == "paper" else {"embed": "emb"}
    state = {rename(name, theirs | {"head": "classifier"}): value for name, value in model.state_dict().items()}
    torch.save(state, tmp_path / "theirs.pt")
    again, inputs = create_model("maxmil", weights=tmp_path / "theirs.pt"), inputs_of(9)
    assert torch.equal(again(inputs).logits, model.eval()(inputs).logits)
    state["classifier.beta"] = state.pop("classifier.bias")
    torch.save(state, tmp_path / "theirs.pt")
    with pytest.raises(ModelError, match="The checkpoint is not one of maxmil: it lacks 'classifier.bias'"):
        create_model("maxmil", weights=tmp_path / "theirs.pt")
    state["classifier.bias"] = state.pop("classifier.beta")
    first = "pathomics_fc.0.bias" if variant == "paper" else "emb.0.0.bias"
    torch.save({name: value for name, value in state.items() if name != first}, tmp_path / "theirs.pt")
    with pytest.raises(ModelError, match=f"missing {first}; left over nothing"):
        create_model("maxmil", weights=tmp_path / "theirs.pt")
