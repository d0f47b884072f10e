"""Names of MCTI's released code, `variant="released"`; no weights are published, but users may hold their own.

Parameters that never have an effect are passed over, so the largest of them, D x D x D, is never copied: the unused
convolution `fcc`, queries, keys and the output layer of an attention over one token, a gene bias and two mixes.
"""

import re

import torch
from torch import Tensor

from prognoscope.core.errors import ModelError

STREAMS = {"cls": 0, "surv": 1, "mix": 2}
WITHOUT_EFFECT = re.compile(
    r"(WSI_encode\.)?b_classifier\.fcc\..*|gene_bias|multi_head\.W_[qko]\..*|decoder_leyers\..*\.fusion_(cls|surv)\..*"
)
NAMES = {
    "i_classifier.fc.0": "slots.patch_classifier",
    "b_classifier.q": "slots.query",
    "b_classifier.proj": "slots.project.0",
    "WSI_encode.cls_proj": "slots.mix",
    "attention_net_wsi.0": "slots.attend.project.0",
    "attention_net_wsi.2.proj_v": "slots.attend.mix",
    "attention_net_wsi.2.proj": "slots.attend.proj",
    "attention_net_wsi.2.rescale": "slots.attend.rescale",
    "attention_net_wsi.2.pos_emb.0": "slots.attend.widen",
    "attention_net_wsi.2.pos_emb.2": "slots.attend.narrow",
    "Gene_encode.0.0": "genes.0.0",
    "Gene_encode.1.0": "genes.1.0",
    "multi_head.W_v": "gene_values",
    "cls_head": "auxiliary_head",
    "surv_head": "head",
}
LAYERS = {"encoder_layers": "encoder", "decoder_leyers": "decoder"}  # sic
REFINE = {"0.norm": "norm", "0.fn.qkv": "to_qkv", "0.fn.proj": "proj"}
FEED = {"1.norm": "feed.norm", "1.fn.net.0": "feed.widen", "1.fn.net.2": "feed.narrow"}
GUIDE = {
    "0.norm": "norm",
    "0.fn.proj": "attend.proj",
    "0.fn.rescale": "attend.rescale",
    "0.fn.pos_emb.0": "attend.widen",
    "0.fn.pos_emb.2": "attend.narrow",
}
MIXES = {"fusion": 0, "fusion_x_cls": 0, "fusion_x_surv": 1, "fusion_net": 2}


def place(name: str, d: int) -> tuple[str, tuple[int | slice, ...]]:
    """Our parameter and the index in it of a published name; d is the width of a token.

    Raises:
        ModelError: The name is none of MCTI's.
    """
    if found := re.fullmatch(r"task_token_(cls|surv|mix)", name):
        return "tokens", (STREAMS[found[1]],)
    if found := re.fullmatch(r"attention_net_wsi\.2\.to_([qkv])\.weight", name):
        return "slots.attend.to_qkv.weight", (_third(found[1], d),)
    if found := re.fullmatch(r"(?:(encoder_layers|decoder_leyers)\.(\d+)\.0|bottleneck)\.(.+)", name):
        block = f"{LAYERS[found[1]]}.{found[2]}" if found[1] else "bottleneck"
        ours, index = _place_in_block(found[3], d)
        if ours:
            return f"{block}.{ours}", index
    for theirs, ours in NAMES.items():
        if name == theirs or name.startswith(f"{theirs}."):
            return ours + name.removeprefix(theirs), ()
    raise ModelError(f"{name} is none of the parameters of mcti's released code.")


def effective(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parameters that have an effect, each once: the release lists two modules of the slide's encoder twice.

    Raises:
        ModelError: The two copies of a parameter differ.
    """
    kept = {}
    for name, value in state.items():
        if WITHOUT_EFFECT.fullmatch(name):
            continue
        once = re.sub(r"^WSI_encode\.(?=[ib]_classifier\.)", "", name)
        if once in kept and not torch.equal(kept[once], value):
            raise ModelError(f"The checkpoint has two different copies of {once}; they are one parameter of mcti.")
        kept[once] = value
    return kept


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes."""
    state = effective(state)
    try:
        token_num, d = state["task_token_mix"].shape[-2:]
        gene_hidden, n_genes = state["Gene_encode.0.0.weight"].shape
        n_bins, n_auxiliary = (len(state[f"{task}_head.1.bias"]) for task in ("surv", "cls"))
        n_subtypes = len(state["i_classifier.fc.0.bias"])
        found = [re.match(r"encoder_layers\.(\d+)\.0\.cls_TGAB\.blocks\.(\d+)\.", name) for name in state]
        blocks = {(int(each[1]), int(each[2])) for each in found if each}
        layers = range(1 + max((layer for layer, _ in blocks), default=-1))
        return {
            "embedding_dim": d,
            "group_sizes": (n_genes,),
            "n_bins": n_bins,
            "n_subtypes": n_subtypes,
            "k": len(state["attention_net_wsi.2.proj_v.weight"]),
            "gene_heads": gene_hidden // d,
            "query_dim": len(state["b_classifier.q.0.bias"]),
            "token_num": token_num,
            "num_blocks": tuple(sum(layer == i for layer, _ in blocks) for i in layers),
            "aux_task": "subtype" if n_auxiliary == n_subtypes else "survival",
        }
    except KeyError as cause:
        raise ModelError(f"The checkpoint is not one of mcti's released code: it lacks {cause}.") from cause


def _place_in_block(name: str, d: int) -> tuple[str, tuple[int | slice, ...]]:
    if found := re.fullmatch(r"(cls|surv|x)_AB\.layers\.(\d+)\.(.+)\.(weight|bias)", name):
        layer = (REFINE | FEED).get(found[3], "")
        return f"refine.{found[2]}.{layer}.{found[4]}", ({"cls": 0, "surv": 1, "x": 0}[found[1]],)
    if found := re.fullmatch(r"(cls|surv)_TGAB\.blocks\.(\d+)\.0\.fn\.to_([qkv])\.weight", name):
        return f"guide.{found[2]}.attend.to_qkv.weight", (STREAMS[found[1]], _third(found[3], d))
    if found := re.fullmatch(r"(cls|surv)_TGAB\.blocks\.(\d+)\.(.+?)(\.weight|\.bias|)", name):
        layer = (GUIDE | FEED).get(found[3], "")
        return f"guide.{found[2]}.{layer}{found[4]}", (STREAMS[found[1]],)
    if found := re.fullmatch(r"(fusion|fusion_x_cls|fusion_x_surv|fusion_net)\.(weight|bias)", name):
        return f"mix.{found[2]}", (MIXES[found[1]],)
    return "", ()


def _third(letter: str, d: int) -> slice:
    i = "qkv".index(letter)
    return slice(i * d, (i + 1) * d)
