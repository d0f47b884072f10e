"""Every encoder that timm builds: its network filled from a published file, its patches prepared, its token taken."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from PIL import Image
from torch import Tensor, nn

from prognoscope.core.errors import FeatureError
from prognoscope.features.encoders.base import AskedPrecision
from prognoscope.features.encoders.catalogue import Description
from prognoscope.features.encoders.misfits import misfit
from prognoscope.features.encoders.networks import any_network, need_timm, network_of
from prognoscope.features.encoders.renaming import State, to_timm, unwrapped
from prognoscope.features.encoders.sharded import sum_of
from prognoscope.features.encoders.weights import check_sum, find_weights, read_weights

COUNTERS = "num_batches_tracked"  # of batch normalisation, which old files lack; unused here


class TimmEncoder:
    """The token of a network as its description says.

    Args:
        told: What is known of it.
        weights: A file (.safetensors, .bin, .pth, .pt) with the published parameters, the index of several
            (.safetensors.index.json), a folder that holds one of these, or "hub" to fetch it from the Hugging Face hub,
            by the token that the hub's own environment has. By default the file is looked for where `weights_home` says
            and in the hub's cache; nothing is downloaded.
        device: Where it computes.
        precision: Of its products; by default as published on a GPU, mostly half, and float32 on a CPU.

    Raises:
        FeatureError: timm is not installed, or the file does not hold this encoder.
        MissingFileError: There is no such file.
    """

    def __init__(
        self,
        told: Description,
        *,
        weights: Path | str | None = None,
        device: str = "cpu",
        precision: AskedPrecision | None = None,
    ):
        need_timm(told.name)
        self.name, self.embedding_dim, self._told = told.name, told.embedding_dim, told
        path = find_weights(told, weights)
        digest = sum_of(path)
        check_sum(told, path, digest)
        self.weights_hash = digest[:16]
        self._device = torch.device(device)
        as_published = told.precision if self._device.type == "cuda" else "float32"
        self._dtype: torch.dtype = getattr(torch, {None: as_published, "bf16": "bfloat16"}.get(precision, "float32"))
        network = _filled(told, path).eval()
        # torch documents the argument, and its overloads leave it out
        self._network = network.to(self._device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        mean, sd = (torch.tensor(each, device=self._device)[:, None, None] for each in told.rgb)
        self._mean, self._sd = mean, sd

    @torch.inference_mode()
    def encode(self, patches: UInt8[np.ndarray, "B H W 3"], mpp: float) -> Float32[np.ndarray, "B D"]:
        """The embeddings of RGB patches whose pixels are `mpp` um wide."""
        if not len(patches):
            return np.zeros((0, self.embedding_dim), np.float32)
        pixels = torch.from_numpy(np.ascontiguousarray(prepared(patches, self._told)))
        images = pixels.to(self._device, non_blocking=True).permute(0, 3, 1, 2)  # channels last in memory
        images = (images.float() / 255 - self._mean) / self._sd
        is_half = self._dtype != torch.float32
        with torch.autocast(self._device.type, self._dtype if is_half else torch.bfloat16, enabled=is_half):
            embeddings = _token(self._network, images, self._told)
        return embeddings.float().cpu().numpy()


def prepared(patches: UInt8[np.ndarray, "B H W 3"], told: Description) -> UInt8[np.ndarray, "B h w 3"]:
    """Patches resized as Pillow does it, which the published transforms use, and cut to their middle."""
    side = told.resize_px
    if side is None:
        return patches
    if patches.shape[1:3] != (side, side):
        way = Image.Resampling.BICUBIC if told.smooth == "bicubic" else Image.Resampling.BILINEAR
        patches = np.stack([np.asarray(Image.fromarray(each).resize((side, side), way)) for each in patches])
    start = round((side - told.crop_px) / 2)
    return patches[:, start : start + told.crop_px, start : start + told.crop_px]


def _token(network: Any, images: Float[Tensor, "B 3 h w"], told: Description) -> Float[Tensor, "B D"]:
    if told.tokens == "map":
        (blocks,) = network(images)  # (B, D, h / 16, w / 16)
        return blocks.float().mean(dim=(2, 3))
    if told.tokens == "own":
        return network(images)
    tokens = network.forward_features(images)  # (B, prefix + patches, width), normalised
    token = tokens[:, 0]
    if told.tokens == "class":
        return token
    # registers are no patches
    return torch.cat([token, tokens[:, int(network.num_prefix_tokens) :].float().mean(dim=1)], dim=1)


def _filled(told: Description, path: Path) -> nn.Module:
    """The network with the values of a file, all of them and no others."""
    held = unwrapped(read_weights(path))
    given = {name: value for name, value in held.items() if isinstance(value, Tensor)}
    state = {name: value for name, value in to_timm(given).items() if not name.startswith(told.leaves_out)}
    if told.tokens == "own":
        network: Any = any_network(told)
        classifier = tuple(f"{each}." for each in _several(network.default_cfg.get("classifier")))
        state = {name: value for name, value in given.items() if not name.startswith(classifier)}
    else:
        network = network_of(told, **_as_in_file(told, state))
    wanted = network.state_dict()
    for name, value in wanted.items():
        if name.endswith(COUNTERS):
            state.setdefault(name, torch.zeros(value.shape, dtype=value.dtype))
    if (why := misfit(told, given, state, wanted)) is not None:
        raise FeatureError(f"{path} {why}")
    network.load_state_dict(state, strict=True, assign=told.tokens != "own")
    return network.float()


def _as_in_file(told: Description, state: State) -> dict[str, int]:
    """What the description leaves to the file: the grid of positions, and the width of gates."""
    found: dict[str, int] = {}
    positions, first = state.get("pos_embed"), state.get("blocks.0.mlp.fc1.weight")
    if told.any_grid and positions is not None and positions.ndim == 3:
        found["grid"] = int(positions.shape[1] ** 0.5)
    second = state.get("blocks.0.mlp.fc2.weight")
    if told.swiglu is None and first is not None and second is not None and len(first) == 2 * second.shape[1]:
        found["gate"] = len(first)
    return found


def _several(names: object) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names) if isinstance(names, list | tuple) else ()
