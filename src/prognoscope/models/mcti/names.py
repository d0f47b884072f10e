"""Names of MCTI's parameters as its specification writes them, `variant="paper"`; the released ones are beside it.

No weights of this variant are published. Ours keep the streams of a block, and queries, keys and values, in one array,
so a name stands for a place: one of our parameters and an index into it.
"""

import re
from collections.abc import Callable

from torch import Tensor, nn

from prognoscope.core.errors import ModelError, some
from prognoscope.models.base import SurvivalModel
from prognoscope.models.creation import create_model
from prognoscope.models.mcti import released_names

Place = tuple[str, tuple[int | slice, ...]]  # one of our parameters, and an index into it

STREAMS = {"cls": 0, "surv": 1, "share": 2}
NAMES = {
    "dsmil.inst": "dsmil.patch_classifier",
    "dsmil.q": "dsmil.query",
    "dsmil.bag.weight": "dsmil.bag_weight",
    "dsmil.bag.bias": "dsmil.bag_bias",
    "in_proj": "project.0",
    "gene.snn.0": "genes.blocks.0.0",
    "gene.snn.1": "genes.blocks.1.0",
    "gene.msa.o": "genes.mix",
    "gene.out": "genes.project",
    "gene_bias": "gene_bias",
    "head_cls.norm": "auxiliary_head.0",
    "head_cls.fc": "auxiliary_head.1",
    "head_surv.norm": "head.0",
    "head_surv.fc": "head.1",
}
IN_BLOCK = {"norm1": "norm1", "norm2": "norm2", "proj": "proj", "ff.0": "widen", "ff.2": "narrow"}
COVERS = {"enc": "encoder", "dec": "decoder"}


def place(name: str, d: int) -> Place:
    """Our parameter and the index in it of a published name; d is the width of a token.

    Raises:
        ModelError: The name is none of MCTI's.
    """
    if found := re.fullmatch(r"tok_(cls|surv|share)", name):
        return "tokens", (STREAMS[found[1]],)
    if found := re.fullmatch(r"(enc|dec)\.(\d+)\.fuse\.weight", name):
        return f"{COVERS[found[1]]}_mix", (int(found[2]),)
    if found := re.fullmatch(r"gene\.msa\.([qkv])\.weight", name):
        return "genes.to_qkv.weight", (_third(found[1], d),)
    if found := re.fullmatch(r"(enc|dec)\.(\d+)\.(cls|surv)\.to_([qkv])\.weight", name):
        return f"{COVERS[found[1]]}.{found[2]}.to_qkv.weight", (STREAMS[found[3]], _third(found[4], d))
    if found := re.fullmatch(r"(enc|dec)\.(\d+)\.(cls|surv)\.rescale", name):
        return f"{COVERS[found[1]]}.{found[2]}.rescale", (STREAMS[found[3]],)
    if found := re.fullmatch(r"(enc|dec)\.(\d+)\.(cls|surv)\.(norm1|norm2|proj|ff\.0|ff\.2)\.(weight|bias)", name):
        block = f"{COVERS[found[1]]}.{found[2]}.{IN_BLOCK[found[4]]}"
        return f"{block}.{found[5]}", (STREAMS[found[3]],)
    for theirs, ours in NAMES.items():
        if name == theirs or name.startswith(f"{theirs}."):
            return ours + name.removeprefix(theirs), ()
    raise ModelError(f"{name} is none of mcti's parameters.")


def load(state: dict[str, Tensor], **options) -> SurvivalModel:
    """A model with these weights, in evaluation mode; their names tell the variant.

    Args:
        options: What the shapes do not tell: heads, gene_heads, and how transport is computed.

    Raises:
        ModelError: Parameters are missing or left over.
    """
    marks = {"released": "task_token_", "paper": "tok_"}
    found = next((variant for variant, mark in marks.items() if any(name.startswith(mark) for name in state)), None)
    if options.setdefault("variant", found or "paper") != (found or options["variant"]):
        raise ModelError(f"The checkpoint is one of mcti's {found} variant, not of variant: {options['variant']}.")
    if options["variant"] == "released":
        model = create_model("mcti", **{**released_names.arguments(state), **options})
        state, its_place = released_names.effective(state), released_names.place
    else:
        model = create_model("mcti", **{**arguments(state), **options})
        its_place = place
    network = model.get_submodule("network")
    width = network.get_parameter("tokens").shape[2]
    fill(network, state, lambda name: its_place(name, width))
    return model.eval()


def fill(network: nn.Module, state: dict[str, Tensor], place: Callable[[str], Place]) -> None:
    """Copy published weights to their places.

    Raises:
        ModelError: Parameters are missing or left over.
    """
    ours = dict(network.named_parameters())
    missing = {name: value.numel() for name, value in ours.items()}
    left_over = []
    for name, value in state.items():
        target, index = place(name)
        if target not in ours or not _fits(ours[target], index, value):
            left_over.append(name)
            continue
        ours[target].data[index] = value.reshape(ours[target][index].shape)
        missing[target] -= value.numel()
    lacking = [name for name, count in missing.items() if count]
    if lacking or left_over:
        raise ModelError(
            f"The checkpoint does not fit mcti: missing {some(lacking) or 'nothing'}; "
            f"left over {some(left_over) or 'nothing'}."
        )


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes."""
    try:
        k, d = state["tok_cls"].shape
        n_subtypes, embedding_dim = state["dsmil.inst.weight"].shape
        gene_hidden, n_genes = state["gene.snn.0.weight"].shape
        return {
            "embedding_dim": embedding_dim,
            "group_sizes": (n_genes,),
            "n_bins": len(state["head_surv.fc.bias"]),
            "n_subtypes": n_subtypes,
            "k": k,
            "d": d,
            "gene_hidden": gene_hidden,
            "gene_groups": len(state["gene.snn.1.bias"]) // d,
            "gene_grouping": "gene.msa.q.weight" in state,
            "gene_init": "zero" if "gene_bias" in state else "none",
            "query_dim": len(state["dsmil.q.0.bias"]),
            "ff_ratio": len(state["enc.0.cls.ff.0.bias"]) // d,
            "layers": len({name.split(".")[1] for name in state if name.startswith("enc.")}),
            **_second_task(state, n_subtypes),
        }
    except KeyError as cause:
        raise ModelError(f"The checkpoint is not one of mcti: it lacks {cause}.") from cause


def _third(letter: str, d: int) -> slice:
    i = "qkv".index(letter)
    return slice(i * d, (i + 1) * d)


def _second_task(state: dict[str, Tensor], n_subtypes: int) -> dict[str, str]:
    if "head_cls.fc.bias" not in state:
        return {"aux_task": "none"}
    return {"aux_task": "subtype" if len(state["head_cls.fc.bias"]) == n_subtypes else "survival"}


def _fits(parameter: Tensor, index: tuple[int | slice, ...], value: Tensor) -> bool:
    """Whether the place exists and holds what the value does; lengths of 1 do not matter."""
    if index and isinstance(index[0], int) and index[0] >= len(parameter):
        return False
    return _shape(parameter[index]) == _shape(value)


def _shape(value: Tensor) -> list[int]:
    return [length for length in value.shape if length > 1]
