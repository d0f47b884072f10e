"""Weights come from where the user says, nothing is downloaded unasked, and a wrong file says whose it seems to be."""

import dataclasses
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from prognoscope.core.errors import FeatureError, MissingFileError
from prognoscope.core.files import sha256
from prognoscope.core.settings import made_whole
from prognoscope.features.encoders import create_encoder, encoder_name, misfits
from prognoscope.features.encoders.catalogue import CATALOGUE
from prognoscope.features.encoders.standing import encoder_table, pinning, weights_fault
from prognoscope.features.encoders.timm_encoder import TimmEncoder
from prognoscope.features.encoders.weights import find_weights, weights_on_disk
from prognoscope.features.extract import FeatureSpec
from tests.features.test_timm_encoder import patches, random_weights, tiny

pytestmark = [
    pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
UNI = CATALOGUE["uni_v2"]


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("PROGNOSCOPE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *a, **k: pytest.fail("downloads unasked"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *a, **k: None)


def test_without_weights_the_error_says_which_file_to_put_where_and_that_a_licence_is_to_be_accepted(tmp_path):
    place = tmp_path / "weights" / "uni_v2.bin"
    said = (
        rf"uni_v2 are not on this disk\. Put pytorch_model\.bin of https://.*UNI2-h \(accept its licence .* at {place}"
    )
    with pytest.raises(MissingFileError, match=said):
        create_encoder("uni_v2")
    assert "accept" not in weights_fault("midnight", None)
    assert weights_fault("uni_v2", None).startswith("The weights of uni_v2 are not on this disk")
    assert (weights_fault("uni_v2", "hub"), weights_fault("stain", None)) == ("", "")


def test_a_hub_that_refuses_is_quoted_with_the_same_advice(monkeypatch):
    def refuse(*a, **k):
        raise OSError("401 Client Error: access to it is restricted.\nmore")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(
        MissingFileError, match=r"fetched from the hub \(OSError: 401 .* restricted\)\. Put pytorch_model"
    ):
        create_encoder("uni_v2", weights="hub")


def test_a_pinned_revision_is_asked_of_the_hub_whatever_lies_on_disk(tmp_path, monkeypatch):
    home, asked = tmp_path / "weights", []
    home.mkdir()
    (home / "uni_v2.bin").write_bytes(b"")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *a, revision: asked.append((*a, revision)) or "there")
    pinned = made_whole(FeatureSpec(encoder="uni_v2", weights="hub@0a1b2c"), tmp_path).weights
    assert find_weights(UNI, pinned) == Path("there")
    assert asked == [("MahmoodLab/UNI2-h", "pytorch_model.bin", "0a1b2c")]
    assert weights_fault("uni_v2", pinned) == ""
    assert find_weights(UNI, "hub") == home / "uni_v2.bin" and len(asked) == 1
    (tmp_path / "hub@mine").mkdir()
    with pytest.raises(MissingFileError, match="holds no file of weights"):
        find_weights(UNI, tmp_path / "hub@mine")


def test_which_revisions_are_fetched_is_told():
    said = pinning()
    assert said.startswith("hub fetches one known commit of a repository, but the newest of ")
    told = {each.strip() for each in said.split(" newest of ")[1].split(";")[0].split(",")}
    assert told == {name for name, each in CATALOGUE.items() if each.revision is None}


def test_weights_are_found_at_their_place_in_a_folder_and_by_name(tmp_path):
    home = tmp_path / "weights"
    (home / "uni_v2").mkdir(parents=True)
    published = home / "uni_v2" / "pytorch_model.bin"
    published.write_bytes(b"")
    assert find_weights(UNI, None) == published
    (home / "uni_v2.safetensors").write_bytes(b"")
    assert find_weights(UNI, None) == find_weights(UNI, home) == home / "uni_v2.safetensors"
    assert find_weights(UNI, home / "uni_v2") == published
    table = encoder_table().set_index("encoder")
    assert table.loc["uni_v2", "weights"] == "on disk"
    assert table.loc["uni_v1", ["weights", "commercial use"]].tolist() == ["to be fetched, gated", "no"]
    (home / "other.safetensors").write_bytes(b"")
    with pytest.raises(MissingFileError, match="holds several files of weights, other.safetensors, uni_v2"):
        find_weights(CATALOGUE["uni_v1"], home)
    with pytest.raises(MissingFileError, match=r"nowhere\.pth do not exist\. Put"):
        find_weights(UNI, tmp_path / "nowhere.pth")


def test_a_file_of_another_encoder_is_refused_and_named(tmp_path, monkeypatch):
    ours = tiny("hoptimus0")
    others = [
        dataclasses.replace(
            tiny("uni_v2", architecture="vit_small_patch14_dinov2"), name="a", names="timm", swiglu=False
        ),
        dataclasses.replace(
            tiny("uni_v2", architecture="vit_small_patch14_dinov2"), name="b", names="timm", swiglu=False
        ),
    ]
    monkeypatch.setattr(misfits, "CATALOGUE", {each.name: each for each in [ours, *others]})
    path = random_weights(others[0], tmp_path / "w.safetensors")
    with pytest.raises(FeatureError) as refused:
        TimmEncoder(ours, weights=path)
    said = str(refused.value)
    assert "is not the file of hoptimus0: it lacks 1 of its" in said
    assert "(reg_token), has 7 of another shape (pos_embed (1, 17, 32) for (1, 16, 32), " in said
    assert "It has the names and shapes of a, b, which have one network, and it may be any one's. Put " in said


def test_names_of_another_tool_are_refused_though_the_shapes_fit(tmp_path):
    told = tiny("phikon_v2", architecture="vit_small_patch14_dinov2")
    path = random_weights(told, tmp_path / "w.safetensors")
    with pytest.raises(
        FeatureError, match="it names them as timm does, while the published file has transformers's names"
    ):
        TimmEncoder(told, weights=path)


def test_half_precision_wrapped_and_pickled_files_give_the_same_as_plain_ones(tmp_path):
    told = tiny("openmidnight")
    state = load_file(random_weights(told, tmp_path / "plain.safetensors"))
    x = patches()
    plain = TimmEncoder(told, weights=tmp_path / "plain.safetensors").encode(x, 0.5)
    torch.save({"teacher": {f"backbone.{n}": v for n, v in state.items()}, "iteration": 3}, tmp_path / "w.pth")
    assert (TimmEncoder(told, weights=tmp_path / "w.pth").encode(x, 0.5) == plain).all()
    save_file({name: value.half() for name, value in state.items()}, tmp_path / "half.safetensors")
    assert abs(TimmEncoder(told, weights=tmp_path / "half.safetensors").encode(x, 0.5) - plain).max() < 0.05


def test_broken_files_and_files_that_would_run_code_are_refused(tmp_path):
    told, path = tiny(), tmp_path / "w.safetensors"
    path.write_bytes(random_weights(told, tmp_path / "whole.safetensors").read_bytes()[:1000])
    with pytest.raises(FeatureError, match=r"w\.safetensors does not hold weights that load without running code"):
        TimmEncoder(told, weights=path)
    torch.save({"model": tiny}, tmp_path / "w.pt")  # a function, which only full unpickling would give
    with pytest.raises(FeatureError, match=r"w\.pt does not hold weights that load without running code"):
        TimmEncoder(told, weights=tmp_path / "w.pt")


def test_a_file_that_is_not_the_published_one_is_told_and_that_of_another_encoder_refused(
    tmp_path, monkeypatch, caplog
):
    told = tiny(file="model.safetensors")
    path = random_weights(told, tmp_path / "w.safetensors")
    digest = sha256(path)
    TimmEncoder(dataclasses.replace(told, sha256=digest), weights=path)
    TimmEncoder(dataclasses.replace(told, sha256="0" * 64, file="w.bin"), weights=path)  # converted
    assert not caplog.messages
    TimmEncoder(dataclasses.replace(told, sha256="0" * 64), weights=path)
    assert [
        f"w.safetensors is not model.safetensors of https://huggingface.co/{told.hub}" in said
        for said in caplog.messages
    ] == [True]
    monkeypatch.setitem(CATALOGUE, "hoptimus1", dataclasses.replace(CATALOGUE["hoptimus1"], sha256=digest))
    with pytest.raises(FeatureError, match=r"w\.safetensors is the published file of hoptimus1, not of hoptimus0"):
        TimmEncoder(told, weights=path)


@pytest.fixture
def cache(monkeypatch):
    """(file, revision) -> where it lies in the cache of the hub."""
    held = {}
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda hub, file, *, revision: held.get((file, revision))
    )
    return held


def test_a_file_of_another_revision_in_the_cache_of_the_hub_is_taken_and_told_but_not_as_that_of_the_hub(
    cache, monkeypatch, caplog
):
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *a, revision: f"fetched {revision}")
    cache[UNI.file, None] = "newest"
    assert find_weights(UNI, None) == weights_on_disk(UNI) == Path("newest")
    assert caplog.messages == [
        f"newest is not of the revision {UNI.revision} of https://huggingface.co/MahmoodLab/UNI2-h, which "
        "features.weights: hub would take."
    ]
    assert find_weights(UNI, "hub") == Path(f"fetched {UNI.revision}")
    free = dataclasses.replace(UNI, revision=None)
    assert find_weights(free, "hub") == find_weights(free, None) == Path("newest")
    cache[UNI.file, UNI.revision] = "pinned"
    assert find_weights(UNI, None) == find_weights(UNI, "hub") == Path("pinned")
    assert len(caplog.messages) == 1


def test_the_other_form_of_a_file_is_found_and_never_fetched(cache, tmp_path, monkeypatch):
    told, asked = CATALOGUE["virchow2"], []
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *a, revision: asked.append(a) or "fetched")
    find_weights(told, "hub")
    assert asked == [("paige-ai/Virchow2", "model.safetensors")]
    cache["pytorch_model.bin", told.revision] = "other"
    assert find_weights(told, None) == find_weights(told, "hub") == Path("other")
    cache["model.safetensors", told.revision] = "published"
    assert find_weights(told, None) == Path("published")
    other = tmp_path / "weights" / "virchow2" / "pytorch_model.bin"
    other.parent.mkdir(parents=True)
    other.touch()
    assert find_weights(told, None) == other
    cache["model.safetensors", None] = "no form of its file"
    assert weights_on_disk(CATALOGUE["gpfm"]) is None


def test_what_is_pinned_are_commits_and_sums_and_no_two_encoders_share_a_file():
    pinned = [each for each in CATALOGUE.values() if each.revision]
    assert len(pinned) > 10 and all(re.fullmatch("[0-9a-f]{40}", each.revision) for each in pinned)
    sums = [each.sha256 for each in CATALOGUE.values() if each.sha256]
    assert len(sums) > 8 and len({*sums}) == len(sums) and all(re.fullmatch("[0-9a-f]{64}", each) for each in sums)
    assert all(each.revision for each in CATALOGUE.values() if each.sha256)


class Grey:
    """An encoder of one's own: the mean brightness."""

    name, embedding_dim, weights_hash = "grey", 1, "1"

    def __init__(self, *, weights=None, device="cpu"):
        pass

    def encode(self, patches, mpp):
        """One value a patch."""
        return patches.mean(axis=(1, 2, 3), keepdims=True).reshape(-1, 1).astype("float32")


class Half:
    """No encoder: it lacks `encode`."""

    def __init__(self, *, weights=None, device="cpu"):
        pass


def test_ones_own_encoder_comes_from_a_module_or_from_an_installed_package(monkeypatch):
    assert create_encoder(f"{__name__}:Grey").encode(patches(), 0.5).shape == (3, 1)
    monkeypatch.setattr("prognoscope.features.encoders.installed_encoders", lambda: {"mine": f"{__name__}:Grey"})
    assert create_encoder("mine").name == "grey"
    with pytest.raises(FeatureError, match=r"did you mean 'mine'"):
        encoder_name("mime")
    with pytest.raises(FeatureError, match="lacks some of what an encoder has: name, embedding_dim"):
        create_encoder(f"{__name__}:Half")
    with pytest.raises(FeatureError, match="cannot be made of nowhere:Grey: No module named 'nowhere'"):
        create_encoder("nowhere:Grey")


def test_tridents_spellings_are_understood_and_what_is_read_only_is_said():
    assert [encoder_name(each) for each in ("h0-mini", "kaiko-vits8", "midnight12k", "resnet50")] == [
        "h0_mini",
        "kaiko_vits8",
        "midnight",
        "resnet50_trunc",
    ]
    with pytest.raises(
        FeatureError, match="conch_v1 is not computed here: it pools by attention .* as cohort.features"
    ):
        encoder_name("conch_v1")
