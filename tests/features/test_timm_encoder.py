"""Networks of timm as encoders: every description fits its network, and tokens are those of a plain computation."""

import dataclasses
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F

from prognoscope.core.errors import FeatureError
from prognoscope.core.seeded import seeded
from prognoscope.features.encoders import create_encoder, networks
from prognoscope.features.encoders.catalogue import CATALOGUE
from prognoscope.features.encoders.timm_encoder import TimmEncoder, _token, prepared

pytestmark = [
    pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
PUBLISHED = {  # parameters: of the model cards, of timm's registry, and of GigaPath's own demonstration
    "virchow": 631_229_184,
    "virchow2": 631_239_424,
    "hoptimus0": 1_134_774_272,
    "hoptimus1": 1_134_774_272,
    "gigapath": 1_134_953_984,
    "uni_v1": 303_350_784,
    "uni_v2": 681_394_176,
    "phikon": 85_798_656,
    "kaiko_vits8": 21_670_272,
    "kaiko_vits16": 21_665_664,
    "kaiko_vitb8": 85_807_872,
    "resnet50_trunc": 8_543_296,
}


def tiny(name: str = "hoptimus0", **changes):
    """A description of a network that is computed in milliseconds."""
    options = {"img_size": 56, "embed_dim": 32, "depth": 2, "num_heads": 2, "init_values": 1e-5}
    return dataclasses.replace(
        CATALOGUE[name],
        **{"options": options, "embedding_dim": 32, "resize_px": 56, "crop_px": 56, "precision": "float32"} | changes,
    )


def random_weights(told, path, seed=0, **more):
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: torch.randn(value.shape, generator=generator) * (value[0].numel() ** -0.5 if value.ndim == 4 else 0.2)
        + (value.ndim == 1)
        for name, value in networks.network_of(told).state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    state = {name: value.abs() if "running_var" in name else value for name, value in state.items()} | more
    save_file(state, path)
    return path


def patches(px=56, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, px, px, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_network_has_its_parameters_and_gives_embeddings_of_its_length(name):
    told = CATALOGUE[name]
    network = networks.network_of(told).eval()
    assert sum(each.numel() for each in network.parameters()) == told.parameters == PUBLISHED.get(name, told.parameters)
    side = told.crop_px if told.resize_px else 256
    assert _token(network, torch.empty(2, 3, side, side, device="meta"), told).shape == (2, told.embedding_dim)


def attention_is_plain(state, images, *, heads, gated, eps):
    """A vision transformer by its equations, from named parameters alone; registers come after the class token."""
    width = state["cls_token"].shape[-1]
    x = F.conv2d(images, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=14)
    x = x.flatten(2).transpose(1, 2)
    first = state["cls_token"].expand(len(x), -1, -1)
    if "reg_token" in state:
        x = torch.cat([first, state["reg_token"].expand(len(x), -1, -1), x + state["pos_embed"]], 1)
    else:
        x = torch.cat([first, x], 1) + state["pos_embed"]

    def norm(x, name):
        return F.layer_norm(x, (width,), state[f"{name}.weight"], state[f"{name}.bias"], eps)

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    for i in range(2):
        b = f"blocks.{i}"
        q, k, v = (
            each.unflatten(2, (heads, -1)).transpose(1, 2)
            for each in linear(norm(x, f"{b}.norm1"), f"{b}.attn.qkv").split(width, 2)
        )
        mixed = torch.softmax(q @ k.transpose(2, 3) / (width / heads) ** 0.5, -1) @ v
        x = x + state[f"{b}.ls1.gamma"] * linear(mixed.transpose(1, 2).flatten(2), f"{b}.attn.proj")
        hidden = linear(norm(x, f"{b}.norm2"), f"{b}.mlp.fc1")
        gate, value = hidden.chunk(2, 2) if gated else (hidden, None)
        hidden = F.silu(gate) * value if gated else F.gelu(hidden)
        x = x + state[f"{b}.ls2.gamma"] * linear(hidden, f"{b}.mlp.fc2")
    return norm(x, "norm")


@pytest.mark.parametrize("name", ["hoptimus0", "virchow2", "midnight", "hibou_b"])
def test_embeddings_are_the_tokens_of_a_plain_computation(name, tmp_path):
    gated, has_mean = name != "midnight", name == "virchow2"
    options = {"img_size": 56, "embed_dim": 32, "depth": 2, "num_heads": 2, "init_values": 1e-5}
    if name != "midnight":
        options |= {"reg_tokens": 4, "no_embed_class": True}
    architecture = "vit_small_patch14_dinov2"
    swiglu = gated and name != "hibou_b"
    told = tiny(name, architecture=architecture, options=options, names="timm", swiglu=swiglu)
    told = dataclasses.replace(told, embedding_dim=64 if has_mean else 32)
    if name == "hibou_b":  # whose file says by its shapes that its perceptrons are gated
        random_weights(dataclasses.replace(told, swiglu=True), tmp_path / "w.safetensors")
        told = dataclasses.replace(told, swiglu=None)
    else:
        random_weights(told, tmp_path / "w.safetensors")
    from safetensors.torch import load_file

    x = patches()
    mean, sd = (torch.tensor(each)[:, None, None] for each in told.rgb)
    images = (torch.from_numpy(x).permute(0, 3, 1, 2) / 255 - mean) / sd
    tokens = attention_is_plain(load_file(tmp_path / "w.safetensors"), images, heads=2, gated=gated, eps=told.norm_eps)
    wanted = tokens[:, 0]
    if has_mean:
        wanted = torch.cat([wanted, tokens[:, 5:].mean(1)], 1)
    found = TimmEncoder(told, weights=tmp_path / "w.safetensors").encode(x, 0.5)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=2e-5)


def test_positions_of_another_image_size_are_interpolated_only_where_files_may_have_them(tmp_path):
    larger = tiny(options=dict(tiny().options) | {"img_size": 84})
    random_weights(larger, tmp_path / "w.safetensors")
    assert TimmEncoder(tiny(any_grid=True), weights=tmp_path / "w.safetensors").encode(patches(), 0.5).shape == (3, 32)
    with pytest.raises(FeatureError, match=r"another shape \(pos_embed \(1, 36, 32\) for \(1, 16, 32\)"):
        TimmEncoder(tiny(), weights=tmp_path / "w.safetensors")


def test_resnets_embeddings_are_the_means_of_the_third_blocks_map_and_older_files_load(tmp_path):
    told = CATALOGUE["resnet50_trunc"]
    whole = {"fc.weight": torch.zeros(1000, 2048), "layer4.0.conv1.weight": torch.zeros(1)}
    path = random_weights(told, tmp_path / "w.safetensors", **whole)
    network = networks.network_of(told).to_empty(device="cpu").eval()
    from safetensors.torch import load_file

    network.load_state_dict(load_file(path), strict=False)
    x = patches(64)
    mean, sd = (torch.tensor(each)[:, None, None] for each in told.rgb)
    with torch.inference_mode():
        (wanted,) = network((torch.from_numpy(x).permute(0, 3, 1, 2) / 255 - mean) / sd)
    found = create_encoder("resnet50", weights=path)
    assert found.name == "resnet50_trunc"
    np.testing.assert_allclose(found.encode(x, 0.5), wanted.mean(dim=(2, 3)).numpy(), rtol=1e-3, atol=1e-4)


def test_patches_are_resized_as_published_and_cut_to_their_middle():
    gigapath, x = CATALOGUE["gigapath"], patches(240, 1)
    large = np.asarray(Image.fromarray(x[0]).resize((256, 256), Image.Resampling.BICUBIC))
    assert np.array_equal(prepared(x, gigapath)[0], large[16:240, 16:240])
    assert np.array_equal(prepared(patches(224, 2), CATALOGUE["uni_v1"]), patches(224, 2))
    assert prepared(x, CATALOGUE["resnet50_trunc"]) is x


def test_any_network_of_timm_takes_its_own_transform_and_its_own_pooling(tmp_path):
    networks.make_torchvision_importable()
    import timm

    name = "timm:vit_tiny_patch16_224.augreg_in21k"
    with seeded(0):
        network = timm.create_model("vit_tiny_patch16_224", num_classes=3).eval()  # with a head, as files have
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    encoder = create_encoder(name, weights=tmp_path / "w.safetensors")
    x = patches(224, 2)
    with torch.inference_mode():
        wanted = network.forward_head(
            network.forward_features((torch.from_numpy(x).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5), pre_logits=True
        )
    assert (encoder.name, encoder.embedding_dim) == (name, 192)
    told = networks.any_description(name)
    assert (told.hub, told.rgb[0], told.resize_px) == (f"timm/{name[5:]}", (0.5, 0.5, 0.5), 248)
    x248 = np.pad(x, ((0, 0), (12, 12), (12, 12), (0, 0)))  # is cut to its middle
    np.testing.assert_allclose(encoder.encode(x248, 0.5), wanted.numpy(), rtol=1e-4, atol=1e-5)


def test_precision_is_of_the_products_and_embeddings_stay_near(tmp_path):
    told, x = tiny(), patches()
    path = random_weights(told, tmp_path / "w.safetensors")
    plain, same, half = (
        TimmEncoder(told, weights=path, precision=each).encode(x, 0.5) for each in (None, "float32", "bf16")
    )
    assert np.array_equal(plain, same) and not np.array_equal(plain, half)
    np.testing.assert_allclose(half, plain, atol=0.03 * np.abs(plain).max())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "timm:vit_smal_patch16_224",
            "timm has no network 'vit_smal_patch16_224'; did you mean 'vit_small_patch16_224'",
        ),
        ("timm:vit_tiny_patch16_224.augre", "timm knows no weights 'augre' of vit_tiny_patch16_224; did you mean"),
    ],
)
def test_networks_that_timm_does_not_know_name_the_nearest(name, said):
    with pytest.raises(FeatureError, match=said):
        create_encoder(name)


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    with pytest.raises(FeatureError, match=r"needs timm: install prognoscope\[encoders\]"):
        create_encoder("uni_v1")
