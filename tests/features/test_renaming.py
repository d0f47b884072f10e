"""Published names of parameters become timm's: lists of names are those of transformers 4.57 and of DINOv2."""

from importlib.util import find_spec

import pytest
import torch

from prognoscope.features.encoders.catalogue import CATALOGUE
from prognoscope.features.encoders.networks import network_of
from prognoscope.features.encoders.renaming import names_of, to_timm, unwrapped

EMBEDDINGS = (
    "embeddings.cls_token",
    "embeddings.position_embeddings",
    "embeddings.patch_embeddings.projection.weight",
    "embeddings.patch_embeddings.projection.bias",
)
ATTENTION = tuple(
    f"attention.{part}.{kind}"
    for part in ("attention.query", "attention.key", "attention.value", "output.dense")
    for kind in ("weight", "bias")
)
OF_DINOV2_BLOCK = ("norm1.weight", "norm1.bias", *ATTENTION, "layer_scale1.lambda1", "norm2.weight", "norm2.bias")
OF_VIT_BLOCK = (
    *ATTENTION,
    "intermediate.dense.weight",
    "intermediate.dense.bias",
    "output.dense.weight",
    "output.dense.bias",
    "layernorm_before.weight",
    "layernorm_before.bias",
    "layernorm_after.weight",
    "layernorm_after.bias",
)
PLAIN = ("mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias", "layer_scale2.lambda1")
GATED = ("mlp.weights_in.weight", "mlp.weights_in.bias", "mlp.weights_out.weight", "mlp.weights_out.bias")
LAST = ("layernorm.weight", "layernorm.bias")
ORIGINAL = (
    "cls_token",
    "pos_embed",
    "register_tokens",
    "mask_token",
    "patch_embed.proj.weight",
    "patch_embed.proj.bias",
)
ORIGINAL_BLOCK = [
    "norm1.weight",
    "norm1.bias",
    "attn.qkv.weight",
    "attn.qkv.bias",
    "attn.proj.weight",
    "attn.proj.bias",
    "ls1.gamma",
    "norm2.weight",
    "norm2.bias",
    "mlp.w12.weight",
    "mlp.w12.bias",
    "mlp.w3.weight",
    "mlp.w3.bias",
    "ls2.gamma",
]


def published(first, block, last, *, width, depth, px, tokens, hidden, gated):
    """Tensors with these names, of the shapes that they have in a network of this size."""
    up = 2 * hidden if gated else hidden
    shapes = {
        "cls_token": (1, 1, width),
        "mask_token": (1, width),
        "position_embeddings": (1, tokens, width),
        "pos_embed": (1, tokens, width),
        "register_tokens": (1, 4, width),
        "projection.weight": (width, 3, px, px),
        "patch_embed.proj.weight": (width, 3, px, px),
        "qkv.weight": (3 * width, width),
        "qkv.bias": (3 * width,),
        "attention.output.dense.weight": (width, width),
        "attn.proj.weight": (width, width),
        **{f"{part}.weight": (width, width) for part in ("query", "key", "value")},
        **{f"{part}.weight": (up, width) for part in ("intermediate.dense", "mlp.fc1", "weights_in", "w12")},
        **{f"{part}.bias": (up,) for part in ("intermediate.dense", "mlp.fc1", "weights_in", "w12")},
        **{f"{part}.weight": (width, hidden) for part in ("output.dense", "mlp.fc2", "weights_out", "w3")},
    }
    names = [*first, *(f"{at}{name}" for at in depth for name in block), *last]

    def shape(name):
        return max(
            ((end, of) for end, of in shapes.items() if name.endswith(end)),
            key=lambda e: len(e[0]),
            default=(0, (width,)),
        )[1]

    return {name: torch.empty(shape(name), device="meta") for name in names}


LAYERS = {n: [f"encoder.layer.{i}." for i in range(n)] for n in (12, 24, 40)}
SWIGLU = (*OF_DINOV2_BLOCK, *GATED, "layer_scale2.lambda1")
MASK, REGISTERS = ("embeddings.mask_token",), ("embeddings.register_tokens",)
FILES = {
    "phikon": published(
        EMBEDDINGS,
        OF_VIT_BLOCK,
        (*LAST, "pooler.dense.weight", "pooler.dense.bias"),
        width=768,
        depth=LAYERS[12],
        px=16,
        tokens=197,
        hidden=3072,
        gated=False,
    ),
    "phikon_v2": published(
        (*EMBEDDINGS, *MASK),
        (*OF_DINOV2_BLOCK, *PLAIN),
        LAST,
        width=1024,
        depth=LAYERS[24],
        px=16,
        tokens=197,
        hidden=4096,
        gated=False,
    ),
    "midnight": published(
        (*EMBEDDINGS, *MASK), SWIGLU, LAST, width=1536, depth=LAYERS[40], px=14, tokens=257, hidden=4096, gated=True
    ),
    "hibou_b": published(
        (*EMBEDDINGS, *MASK, *REGISTERS),
        SWIGLU,
        LAST,
        width=768,
        depth=LAYERS[12],
        px=14,
        tokens=257,
        hidden=2048,
        gated=True,
    ),
    "hibou_l": published(
        (*EMBEDDINGS, *MASK, *REGISTERS),
        (*OF_DINOV2_BLOCK, *PLAIN),
        LAST,
        width=1024,
        depth=LAYERS[24],
        px=14,
        tokens=257,
        hidden=4096,
        gated=False,
    ),
    "openmidnight": published(
        ORIGINAL,
        ORIGINAL_BLOCK,
        ("norm.weight", "norm.bias"),
        width=1536,
        depth=[f"blocks.{i}." for i in range(40)],
        px=14,
        tokens=257,
        hidden=4096,
        gated=True,
    ),
}


@pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")
@pytest.mark.parametrize("name", FILES)
def test_each_published_file_has_all_names_and_shapes_of_its_network_and_no_others(name):
    wanted = {key: tuple(value.shape) for key, value in network_of(CATALOGUE[name]).state_dict().items()}
    assert {key: tuple(value.shape) for key, value in to_timm(FILES[name]).items()} == wanted
    assert names_of(FILES[name]) == CATALOGUE[name].names


def values(names, width=4):
    """Distinct values by names, of one width, so that where each has gone can be seen."""
    return {
        name: torch.full(
            (1, 1 if "token" in name else 3, width) if "token" in name or "pos" in name else (width,), float(i)
        )
        for i, name in enumerate(names)
    }


def test_transformers_names_become_timms_value_by_value():
    given = values([*EMBEDDINGS, *(f"encoder.layer.0.{n}" for n in (*OF_DINOV2_BLOCK, *PLAIN)), *LAST])
    at = "encoder.layer.0."
    wanted = {
        "cls_token": given["embeddings.cls_token"],
        "pos_embed": given["embeddings.position_embeddings"],
        "norm.bias": given["layernorm.bias"],
        "blocks.0.attn.proj.weight": given[f"{at}attention.output.dense.weight"],
        "blocks.0.ls1.gamma": given[f"{at}layer_scale1.lambda1"],
        "blocks.0.mlp.fc2.weight": given[f"{at}mlp.fc2.weight"],
        "blocks.0.attn.qkv.bias": torch.cat(
            [given[f"{at}attention.attention.{p}.bias"] for p in ("query", "key", "value")]
        ),
    }
    found = to_timm(given)
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    vit = values([f"{at}{n}" for n in OF_VIT_BLOCK])
    found = to_timm(vit)
    assert torch.equal(found["blocks.0.mlp.fc1.bias"], vit[f"{at}intermediate.dense.bias"])
    assert torch.equal(found["blocks.0.mlp.fc2.bias"], vit[f"{at}output.dense.bias"])
    assert torch.equal(found["blocks.0.attn.proj.bias"], vit[f"{at}attention.output.dense.bias"])
    assert torch.equal(found["blocks.0.norm2.weight"], vit[f"{at}layernorm_after.weight"])


def test_with_registers_the_class_tokens_position_is_added_to_it():
    given = values(["cls_token", "pos_embed", "register_tokens", "mask_token"])
    given["pos_embed"] = torch.arange(12.0).reshape(1, 3, 4)
    found = to_timm(given)
    assert found.keys() == {"cls_token", "pos_embed", "reg_token"}
    assert torch.equal(found["cls_token"], given["cls_token"] + given["pos_embed"][:, :1])
    assert torch.equal(found["pos_embed"], given["pos_embed"][:, 1:])


def test_the_teachers_backbone_is_taken_out_of_what_training_saves():
    inner = {"backbone.cls_token": 1, "backbone.blocks.0.11.norm1.weight": 2, "dino_head.mlp.0.weight": 3}
    assert unwrapped({"teacher": inner, "iteration": 7}) == {"cls_token": 1, "blocks.0.11.norm1.weight": 2}
    both = {"student.backbone.cls_token": 1, "teacher.backbone.cls_token": 2}
    assert unwrapped({"model": both}) == {"cls_token": 2}
    assert unwrapped({"module.conv1.weight": 1, "module.fc.weight": 2}) == {"conv1.weight": 1, "fc.weight": 2}
    assert unwrapped({"dinov2.embeddings.cls_token": 1, "classifier.weight": 2}) == {"embeddings.cls_token": 1}
    assert to_timm({"blocks.0.11.norm1.weight": torch.ones(2)}).keys() == {"blocks.11.norm1.weight"}
