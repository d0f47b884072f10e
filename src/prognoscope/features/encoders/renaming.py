"""Names of parameters in published files -> timm's: those of transformers' DINOv2 and ViT, and of DINOv2 itself.

Names are facts of the files: transformers 4.57 (`Dinov2Model`, `Dinov2WithRegistersModel`, `ViTModel`) and the
checkpoints of Oquab et al.: DINOv2, TMLR 2024; Darcet et al.: Vision transformers need registers, ICLR 2024.
"""

import re
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from prognoscope.features.encoders.catalogue import Names

State = dict[str, Tensor]
WRAPPERS = ("teacher", "state_dict", "model", "model_state_dict")  # keys under which files keep the parameters
TRAINING_ONLY = ("mask_token", "pooler.", "head.", "dino_head.", "ibot_head.", "classifier.")  # beginnings of names
OF_TRANSFORMERS = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.mask_token$", "mask_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.register_tokens$", "reg_token"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^encoder\.layer\.(\d+)\.", r"blocks.\1."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.weights_in\.", ".mlp.fc1."),
    (r"\.mlp\.weights_out\.", ".mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"^layernorm\.", "norm."),
)
OF_DINOV2 = (
    (r"^register_tokens$", "reg_token"),
    (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),  # blocks in chunks, as they are trained in
    (r"\.mlp\.w12\.", ".mlp.fc1."),
    (r"\.mlp\.w3\.", ".mlp.fc2."),
)
RULES: Mapping[Names, tuple[tuple[str, str], ...]] = {
    "timm": (),
    "dinov2": OF_DINOV2,
    "transformers": OF_TRANSFORMERS,
}
CLASS_TOKEN = re.compile(r"^(.*?)(?:embeddings\.)?cls_token$")  # what stands before it stands before all
PART = re.compile(r"^(blocks\.\d+)\.attention\.attention\.(query|key|value)\.(weight|bias)$")


def names_of(state: Collection[str]) -> Names:
    """Whose names parameters have; DINOv2's without registers and gates are timm's."""
    if any(name.startswith(("embeddings.", "encoder.layer.")) for name in state):
        return "transformers"
    own = re.compile(r"^(register_tokens|mask_token|blocks\.\d+\.\d+\..*|blocks\.\d+\.mlp\.w(12|3)\..*)$")
    return "dinov2" if any(own.match(name) for name in state) else "timm"


def unwrapped(held: Mapping[str, object]) -> dict[str, object]:
    """What a file holds, without the wrappers of training: the teacher's backbone of a student and a teacher."""
    found: dict[str, object] = dict(held)
    while isinstance(inner := next((found[key] for key in WRAPPERS if isinstance(found.get(key), dict)), None), dict):
        found = {str(name): value for name, value in inner.items()}
    starts = {found_at[1] for name in found if (found_at := CLASS_TOKEN.match(name))}
    starts = starts or {
        start for start in ("module.", "model.", "backbone.") if all(n.startswith(start) for n in found)
    }
    taught = {start for start in starts if "teacher" in start}
    start = min(taught or starts, key=len, default="")
    return {name[len(start) :]: value for name, value in found.items() if name.startswith(start)}


def to_timm(state: Mapping[str, Tensor]) -> State:
    """The same parameters by timm's names; those of training alone are left out."""
    whose = names_of(state)
    renamed: State = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        for pattern, replacement in RULES[whose]:
            name = re.sub(pattern, replacement, name)
        if part := PART.match(name):
            parts.setdefault(f"{part[1]}.attn.qkv.{part[3]}", {})[part[2]] = value
        elif not name.startswith(TRAINING_ONLY):
            renamed[name] = value
    for name, each in parts.items():
        if len(each) == 3:  # otherwise it is missing, and is told
            renamed[name] = torch.cat([each["query"], each["key"], each["value"]])
    if whose != "timm" and "reg_token" in renamed and {"pos_embed", "cls_token"} <= renamed.keys():
        # timm adds the class token's position to the token itself, where there are registers
        positions = renamed["pos_embed"]
        renamed["cls_token"] = renamed["cls_token"] + positions[:, :1]
        renamed["pos_embed"] = positions[:, 1:]
    return renamed
