"""The networks of timm that encoders are: built without values, and described where timm alone knows them."""

from dataclasses import asdict
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import library, nn

from prognoscope.core.errors import FeatureError, nearest
from prognoscope.features.encoders.catalogue import TIMM, Description


def network_of(told: Description, *, grid: int | None = None, gate: int | None = None) -> nn.Module:
    """The network without values, on torch's meta device.

    Args:
        grid: Patches along a side that its positions are of; by default as described.
        gate: Width of the first layer of gated perceptrons, where the file says it.
    """
    make_torchvision_importable()
    import timm
    from timm.layers.mlp import SwiGLUPacked

    options: dict[str, Any] = dict(told.options)
    if told.tokens != "map":
        options |= {"num_classes": 0, "global_pool": "token", "dynamic_img_size": True}
        options["norm_layer"] = partial(nn.LayerNorm, eps=told.norm_eps)
    if told.swiglu or gate:
        options |= {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU}
    if gate:
        width = told.embedding_dim // (2 if told.tokens == "class+mean" else 1)
        options["mlp_ratio"] = (gate + 0.5) / width  # timm rounds down
    with torch.device("meta"):
        network: Any = timm.create_model(told.architecture, pretrained=False, **options)
        if grid is not None and told.tokens != "map" and network.patch_embed.grid_size[0] != grid:
            options["img_size"] = grid * network.patch_embed.patch_size[0]
            network = timm.create_model(told.architecture, pretrained=False, **options)
    return network


def any_description(name: str) -> Description:
    """What timm itself knows of one of its networks, such as "timm:vit_base_patch16_224.augreg_in1k".

    Raises:
        FeatureError: timm has no such network.
    """
    need_timm(name)
    make_torchvision_importable()
    import timm
    from timm.data.config import resolve_data_config

    model = name.removeprefix(TIMM)
    architecture, _, tag = model.partition(".")
    if not timm.is_model(architecture):
        raise FeatureError(f"timm has no network {architecture!r}; {nearest(architecture, timm.list_models())}")
    if tag and model not in timm.list_pretrained(f"{architecture}.*"):
        raise FeatureError(
            f"timm knows no weights {tag!r} of {architecture}; "
            f"{nearest(model, timm.list_pretrained(f'{architecture}.*'))}"
        )
    known = timm.get_pretrained_cfg(model, allow_unregistered=False)
    if known is None:
        raise FeatureError(f"timm knows no published weights of {architecture}; name a network that has some.")
    data = resolve_data_config(pretrained_cfg=asdict(known))
    with torch.device("meta"):
        network: Any = timm.create_model(architecture, pretrained=False, num_classes=0)
    crop = int(data["input_size"][1])
    return Description(
        name,
        known.hf_hub_id if known.hf_hub_id and known.hf_hub_id != "timm/" else f"timm/{model}",
        architecture,
        int(network.num_features),
        sum(each.numel() for each in network.parameters()),
        known.license or "not stated",
        None,
        tokens="own",
        resize_px=int(crop / data["crop_pct"]),
        crop_px=crop,
        smooth="bilinear" if data["interpolation"] == "bilinear" else "bicubic",
        rgb=(tuple(data["mean"]), tuple(data["std"])),
        precision="bfloat16",
    )


def any_network(told: Description) -> nn.Module:
    """For real, not on the meta device: some networks of timm compute tables that no file has."""
    import timm

    return timm.create_model(told.architecture, pretrained=False, num_classes=0)


def need_timm(name: str) -> None:
    """Refuse an encoder where timm is not installed.

    Raises:
        FeatureError: It is not; names the extra.
    """
    if find_spec("timm") is None:
        raise FeatureError(f"The encoder {name!r} needs timm: install prognoscope[encoders] -c constraints.txt.")


@cache  # operators can be declared once, and last as long as the library object that is kept here
def make_torchvision_importable() -> object:
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
