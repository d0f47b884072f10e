"""Published names of SurvPath's parameters: what are small networks there is one set of arrays here."""

import re

import torch
from torch import Tensor

from prognoscope.core.errors import ModelError, some
from prognoscope.models.survpath.network import SurvPath

NAMES = {
    "wsi_projection_net.0": "project",
    "cross_attender.norm": "attend.norm",
    "cross_attender.attn.to_qkv": "attend.to_qkv",
    "feed_forward.norm": "norm",
    "feed_forward.net.0": "feed_forward.0",
    "feed_forward.net.3": "feed_forward.3",
    "layer_norm": "last_norm",
    "to_logits.0": "narrow.0",
    "to_logits.2": "head",
}


def load(state: dict[str, Tensor], **options) -> SurvPath:
    """A model with these weights, in evaluation mode.

    Its pathways are those of the released gene set file, in its order, and the genes of each in alphabetical order.

    Args:
        options: Of the method, where the shapes do not tell them.

    Raises:
        ModelError: Parameters are missing, left over, or of other shapes.
    """
    found = (re.fullmatch(r"sig_networks\.(\d+)\..*", name) for name in state)
    n = 1 + max((int(each[1]) for each in found if each), default=0)
    small = [f"sig_networks.{s}.{block}.0.{kind}" for s in range(n) for block in (0, 1) for kind in ("weight", "bias")]
    names = {f"{name}.{kind}": f"{ours}.{kind}" for name, ours in NAMES.items() for kind in ("weight", "bias")}
    del names["cross_attender.attn.to_qkv.bias"]
    missing = [name for name in (*names, *small) if name not in state]
    left_over = sorted(set(state) - {*names, *small})
    if missing or left_over:
        raise ModelError(
            f"The checkpoint does not fit survpath: missing {some(missing) or 'nothing'}; "
            f"left over {some(left_over) or 'nothing'}."
        )
    first, first_bias, second, second_bias = ([state[name] for name in small[i::4]] for i in range(4))
    ours = {name: state[published] for published, name in names.items()}
    d, embedding_dim = ours["project.weight"].shape
    sizes = {
        "embedding_dim": embedding_dim,
        "group_sizes": tuple(weight.shape[1] for weight in first),
        "n_bins": len(ours["head.bias"]),
        "d": d,
    }
    model = SurvPath(**{**sizes, **options})
    ours["pathways.first"] = torch.cat([weight.T for weight in first])
    ours["pathways.first_bias"], ours["pathways.second_bias"] = torch.stack(first_bias), torch.stack(second_bias)
    ours["pathways.second"] = torch.stack([weight.T for weight in second])
    own = model.state_dict()
    if wrong := [name for name, value in ours.items() if value.shape != own[name].shape]:
        shapes = (f"{name} is {tuple(ours[name].shape)}, not {tuple(own[name].shape)}" for name in wrong)
        raise ModelError(f"The checkpoint does not fit survpath with these options: {some(shapes)}.")
    model.load_state_dict(ours)
    return model.eval()
