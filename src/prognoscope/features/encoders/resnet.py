"""ImageNet's ResNet-50 up to its third block, 1024-d: the encoder of the survival papers before pathology had its own.

He, Zhang, Ren, Sun: Deep residual learning for image recognition. CVPR 2016. Cut as by Lu et al. (CLAM), Nat Biomed
Eng 2021. Needs the extra `[encoders]`.
"""

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError  # only the name of what torch raises

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, library, nn

from prognoscope.core.errors import FeatureError, MissingFileError, some
from prognoscope.core.files import sha256
from prognoscope.core.pickled_names import names_endlessly

REPOSITORY, FILE = "timm/resnet50.tv_in1k", "model.safetensors"
MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's RGB in 0 to 1
FOLDER = "PROGNOSCOPE_WEIGHTS"  # the environment variable that names the folder of weights


class TruncatedResNet50:
    """The mean over the third block's map; patches go in at the size they have, whatever their resolution.

    Args:
        weights: A .safetensors, .pth or .pt file with the parameters of timm's or torchvision's resnet50, or "hub"
            to fetch them from the Hugging Face hub. By default the file is looked for where `weights_home` says and
            in the hub's own cache; nothing is downloaded.
        device: Where it computes; on a GPU in bfloat16.
    """

    name = "resnet50_trunc"
    embedding_dim = 1024

    def __init__(self, *, weights: Path | str | None = None, device: str = "cpu"):
        self._device = torch.device(device)
        network = _network()
        path = _find(weights)
        _load(network, path)
        self.weights_hash = sha256(path)[:16]
        # torch documents the argument, and its overloads leave it out
        self._network = network.eval().to(self._device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @torch.inference_mode()
    def encode(self, patches: UInt8[np.ndarray, "B H W 3"], mpp: float) -> Float32[np.ndarray, "B D"]:
        """The embeddings of RGB patches whose pixels are `mpp` um wide."""
        if not len(patches):
            return np.zeros((0, self.embedding_dim), np.float32)
        pixels = torch.from_numpy(np.ascontiguousarray(patches)).to(self._device, non_blocking=True)
        mean, sd = (torch.tensor(each, device=self._device) for each in (MEAN, SD))
        images = ((pixels.float() / 255 - mean) / sd).permute(0, 3, 1, 2)  # (B, 3, H, W), channels last in memory
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
            (blocks,) = self._network(images)  # (B, 1024, H / 16, W / 16)
        return blocks.float().mean(dim=(2, 3)).cpu().numpy()


def weights_home() -> Path:
    """The folder where weights are looked for: $PROGNOSCOPE_WEIGHTS, else ~/.cache/prognoscope."""
    return Path(os.environ.get(FOLDER) or Path.home() / ".cache" / "prognoscope")


def _network() -> nn.Module:
    if find_spec("timm") is None:
        raise FeatureError("The encoder 'resnet50_trunc' needs timm: install prognoscope[encoders] -c constraints.txt.")
    _make_torchvision_importable()
    import timm

    return timm.create_model("resnet50", features_only=True, out_indices=(3,), pretrained=False)


@cache  # operators can be declared once, and last as long as the library object that is kept here
def _make_torchvision_importable() -> object:
    """Declare what torchvision looks up at import, where its own library was built for another torch."""
    torchvision = find_spec("torchvision")
    if torchvision is None or torchvision.origin is None:
        return None
    try:
        for file in Path(torchvision.origin).parent.glob("_C*.so"):
            torch.ops.load_library(str(file))
    except OSError:
        declared = library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return declared
    return None


def _find(weights: Path | str | None) -> Path:
    """The file of weights. Only "hub" may download."""
    place = weights_home() / "resnet50_trunc.safetensors"
    if weights is not None and str(weights) != "hub":
        if not Path(weights).is_file():
            raise MissingFileError(f"The weights {weights} do not exist. {_advice(place)}")
        return Path(weights)
    if place.is_file():
        return place
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    if str(weights) == "hub":
        try:
            return Path(hf_hub_download(REPOSITORY, FILE))
        except (OSError, ValueError, RuntimeError) as cause:  # the hub's errors are children of these
            raise MissingFileError(
                f"The weights of resnet50_trunc cannot be fetched from the hub. {_advice(place)}"
            ) from cause
    cached = try_to_load_from_cache(REPOSITORY, FILE)
    if not isinstance(cached, str):
        raise MissingFileError(f"The weights of resnet50_trunc are not on this disk. {_advice(place)}")
    return Path(cached)


def _advice(place: Path) -> str:
    return (
        f"Put {FILE} of https://huggingface.co/{REPOSITORY} at {place}, or name a file as features.weights, "
        "or fetch it with features.weights: hub."
    )


def _load(network: nn.Module, path: Path) -> None:
    """Fill the network, strictly; later layers that were cut off stay out."""
    state = _read(path)
    wanted = network.state_dict()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}  # old files lack them; unused here
    missing = [n for n in wanted if n not in counters and (n not in state or state[n].shape != wanted[n].shape)]
    if missing:
        raise FeatureError(
            f"{path} is not a ResNet-50: {len(missing)} parameters are missing or of another shape, "
            f"{some(missing, 3)}. {_advice(weights_home() / 'resnet50_trunc.safetensors')}"
        )
    network.load_state_dict({name: state.get(name, wanted[name]) for name in wanted}, strict=True)


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if names_endlessly(path):
            raise UnpicklingError("a class of an endless name")
        state = torch.load(path, map_location="cpu", weights_only=True)  # tensors alone: nothing in it can run code
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, SafetensorError, UnpicklingError) as cause:
        raise FeatureError(f"{path} does not hold weights that load without running code. Use safetensors.") from cause
    if not isinstance(state, dict):
        raise FeatureError(f"{path} holds a {type(state).__name__}, not named parameters. Save the state_dict alone.")
    return state
