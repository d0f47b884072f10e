"""Models by name, with random weights or with published ones."""

import pytest
import torch
from safetensors.torch import save_file

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs
from prognoscope.core.errors import MissingFileError, ModelError
from prognoscope.models.creation import create_model
from prognoscope.models.sizes import Sizes


@pytest.fixture
def published():
    from prognoscope.models.abmil.names import NAMES

    model = create_model("abmil", embedding_dim=6, n_bins=4, hidden_dim=8)
    back = {ours: theirs for theirs, ours in NAMES.items()}
    state = {}
    for name, value in model.state_dict().items():
        prefix = max((each for each in back if name == each or name.startswith(f"{each}.")), key=len, default=None)
        state[name if prefix is None else back[prefix] + name.removeprefix(prefix)] = value
    return model.eval(), state


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_published_checkpoint_becomes_a_model_of_its_sizes(published, tmp_path, suffix):
    model, state = published
    path = tmp_path / f"theirs{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save({"state_dict": state, "epoch": 3}, path)
    ours = create_model("abmil", weights=path)
    inputs = Inputs(Bags(torch.randn(7, 6), torch.tensor([3, 4])))
    assert torch.equal(ours(inputs).logits, model(inputs).logits)


def test_a_checkpoint_says_what_is_missing_and_left_over(published, tmp_path):
    _, state = published
    name = next(name for name in state if name.endswith("bias"))
    state["strange.weight"] = state.pop(name)
    torch.save(state, tmp_path / "theirs.pt")
    with pytest.raises(ModelError, match=r"missing .*bias; left over strange\.weight"):
        create_model("abmil", weights=tmp_path / "theirs.pt")


def test_a_checkpoint_that_is_not_there_or_runs_code_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"The checkpoint .*nowhere\.pt"):
        create_model("abmil", weights=tmp_path / "nowhere.pt")
    torch.save({"state_dict": object}, tmp_path / "bad.pt")
    with pytest.raises(ModelError, match=r"bad\.pt is no checkpoint, or holds more than tensors, .* was not read[.]"):
        create_model("abmil", weights=tmp_path / "bad.pt")


def test_a_checkpoint_that_is_cut_short_is_named(published, tmp_path):
    torch.save(published[1], tmp_path / "whole.pt")
    save_file(published[1], tmp_path / "whole.safetensors")
    for suffix in ("pt", "safetensors"):
        whole, path = (tmp_path / f"whole.{suffix}").read_bytes(), tmp_path / f"part.{suffix}"
        for size in (0, len(whole) // 2):
            path.write_bytes(whole[:size])
            with pytest.raises(ModelError, match=rf"part\.{suffix} is damaged or cut short"):
                create_model("abmil", weights=path)


def test_an_option_of_another_method_is_refused_beside_a_checkpoint(published, tmp_path):
    torch.save(published[1], tmp_path / "theirs.pt")
    with pytest.raises(ModelError, match="abmil has no option 'variants'"):
        create_model("abmil", weights=tmp_path / "theirs.pt", variants="paper")


@pytest.mark.parametrize("name", ["cmta", "ghanet", "ccl", "mcti"])
@pytest.mark.parametrize("variant", ["paper", "released"])
def test_a_checkpoint_of_another_method_is_named_with_what_it_lacks(published, tmp_path, name, variant):
    path = tmp_path / "theirs.pt"
    torch.save(published[1], path)
    with pytest.raises(ModelError, match=rf"not one of {name}.*: it lacks .*theirs\.pt"):
        create_model(name, weights=path, variant=variant)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mcat", {"heads": 0}, "mcat cannot work with heads=0. Give a whole number from 1 on"),
        ("mcat", {"layers": 1.5}, "mcat cannot work with layers=1.5. Give a whole number from 1 on"),
        ("mcat", {"dropout": 2}, "mcat cannot work with dropout=2. Give a number from 0 to below 1"),
        ("porpoise", {"dropinput": 1}, "porpoise cannot work with dropinput=1. Give a number from 0 to below 1"),
        ("dsmil", {"query_dim": 0}, "dsmil cannot work with query_dim=0. Give a whole number from 1 on"),
        (
            "dsmil",
            {"query_dim": True},
            "dsmil cannot work with query_dim=True. Give a value that is neither",
        ),
        ("dtfd_mil", {"residual_blocks": -1}, "dtfd_mil cannot work with residual_blocks=-1. .* from 0 on"),
        ("transmil", {"landmarks": 0}, "A Nystrom attention needs a landmark at least, not landmarks=0"),
        ("motcat", {"ot_reg": float("nan")}, "motcat cannot work with ot_reg=nan. Give a finite number"),
    ],
)
def test_what_no_network_can_have_is_refused_in_a_sentence(name, options, message):
    with pytest.raises(ModelError, match=message):
        create_model(name, sizes=Sizes(embedding_dim=6, group_sizes=(3, 4)), **options)


def test_rates_of_several_layers_and_ratios_that_are_not_whole_are_taken():
    sizes = Sizes(embedding_dim=6, group_sizes=(3, 4))
    create_model("gpdbn", sizes=sizes, dropout=[0.3, 0.3, 0.1, 0.1])
    assert create_model("m3if", sizes=sizes, d=4, gate_ratio=2.5).squeeze.out_features == 8
