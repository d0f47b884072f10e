"""The truncated ResNet-50: its weights come from where the user says, and nothing is downloaded unasked."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from prognoscope.core.errors import FeatureError, MissingFileError
from prognoscope.features.encoders import resnet
from prognoscope.features.encoders.resnet import TruncatedResNet50

needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("PROGNOSCOPE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file({name: value.contiguous() for name, value in resnet._network().state_dict().items()}, path)
    return path


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(resnet, "find_spec", lambda name: None)
    with pytest.raises(FeatureError, match=r"needs timm: install prognoscope\[encoders\]"):
        TruncatedResNet50()


@needs_timm
def test_without_weights_the_error_says_which_file_to_put_where(monkeypatch, tmp_path):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *a, **k: pytest.fail("downloads unasked"))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *a, **k: None)
    place = tmp_path / "weights" / "resnet50_trunc.safetensors"
    with pytest.raises(
        MissingFileError, match=r"not on this disk\. Put model\.safetensors of https://.*tv_in1k at"
    ) as e:
        TruncatedResNet50()
    assert str(place) in str(e.value)


@needs_timm
def test_a_hub_that_cannot_be_reached_gives_the_same_advice(monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def refuse(*a, **k):
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(MissingFileError, match=r"cannot be fetched from the hub\. Put model\.safetensors"):
        TruncatedResNet50(weights="hub")


@needs_timm
def test_weights_are_found_at_their_place_and_equal_those_that_are_named(weights, tmp_path):
    patches = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    named = TruncatedResNet50(weights=weights)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "resnet50_trunc.safetensors").write_bytes(weights.read_bytes())
    found = TruncatedResNet50()
    assert found.weights_hash == named.weights_hash
    assert np.array_equal(found.encode(patches, 0.5), named.encode(patches, 0.5))


@needs_timm
def test_embeddings_are_the_means_of_the_third_blocks_map(weights):
    patches = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    encoder = TruncatedResNet50(weights=weights)
    network = resnet._network().eval()
    network.load_state_dict(load_file(weights))
    images = torch.from_numpy(patches).permute(0, 3, 1, 2) / 255
    images = (images - torch.tensor(resnet.MEAN)[:, None, None]) / torch.tensor(resnet.SD)[:, None, None]
    with torch.inference_mode():
        (wanted,) = network(images)
    np.testing.assert_allclose(encoder.encode(patches, 0.5), wanted.mean(dim=(2, 3)).numpy(), rtol=1e-4, atol=1e-5)


@needs_timm
def test_whole_networks_and_older_files_without_counters_load(weights, tmp_path):
    state = load_file(weights) | {"fc.weight": torch.zeros(1000, 2048), "layer4.0.conv1.weight": torch.zeros(1)}
    older = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(older, tmp_path / "whole.pth")
    patches = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    embeddings = [TruncatedResNet50(weights=path).encode(patches, 0.5) for path in (weights, tmp_path / "whole.pth")]
    assert np.array_equal(*embeddings)


@needs_timm
def test_other_networks_broken_files_and_missing_ones_are_named(weights, tmp_path):
    save_file({"blocks.0.weight": torch.zeros(2)}, tmp_path / "vit.safetensors")
    with pytest.raises(FeatureError, match=r"vit\.safetensors is not a ResNet-50: .* parameters are missing"):
        TruncatedResNet50(weights=tmp_path / "vit.safetensors")
    (tmp_path / "half.safetensors").write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(FeatureError, match=r"half\.safetensors does not hold weights"):
        TruncatedResNet50(weights=tmp_path / "half.safetensors")
    with pytest.raises(MissingFileError, match=r"The weights .*nowhere\.pth do not exist\. Put"):
        TruncatedResNet50(weights=tmp_path / "nowhere.pth")
