"""Published names of CCL's parameters, which come without the anchor that they were trained with."""

import re
import warnings

from torch import Tensor

from prognoscope.core.errors import ModelError, some
from prognoscope.models.ccl.network import CCL

NAMES = {
    r"genomics_fc\.(\d+)\.0\.0": r"group_snns.\1.0",
    r"geno_fc": "shared_snn",
    r"geno_conv\.0": "gene_pool",
    r"path_fc": "centre_snn",
    r"path_conv\.0": "slide_pool",
    r"know_decompose\.geno_spec\.conv": "decompose.gene_specific",
    r"know_decompose\.path_spec\.conv": "decompose.slide_specific",
    r"know_decompose\.(common|synergy)_encoder\.geno_fc": r"decompose.\1.gene",
    r"know_decompose\.(common|synergy)_encoder\.path_fc": r"decompose.\1.slide",
    r"know_decompose\.(common|synergy)_encoder\.geno_atten": r"decompose.\1.gene_gate",
    r"know_decompose\.(common|synergy)_encoder\.path_atten": r"decompose.\1.slide_gate",
    r"transformer\.cls_token": "class_token",
    r"transformer\.norm": "fusion_norm",
    r"classifier": "head",
    **{
        rf"transformer\.layer{i + 1}\.{theirs}": f"fusion.{i}.{ours}"
        for i in (0, 1)
        for theirs, ours in {
            "norm": "norm",
            r"attn\.to_qkv": "attend.to_qkv",
            r"attn\.to_out\.0": "attend.to_out",
            r"attn\.res_conv": "attend.convolve",
        }.items()
    },
}
IGNORED = "transformer.pos_layer."  # convolutions that no forward pass uses
NOT_PUBLISHED = ("anchor", "bank.")  # ours are buffers


def rename(name: str) -> str:
    """Our name of a published parameter; one that is none of CCL's stays as it is."""
    for theirs, ours in NAMES.items():
        if found := re.match(rf"{theirs}(?=\.|$)", name):
            return found.expand(ours) + name[found.end() :]
    return name


def load(state: dict[str, Tensor], *, anchor: Tensor | None = None, variant: str = "released", **options) -> CCL:
    """A model with these weights, in evaluation mode; warns if it is given no anchor.

    Args:
        anchor: The anchor of the training, (k, D).
        options: Of the method, where the shapes do not tell them.

    Raises:
        ModelError: Parameters are missing or left over.
    """
    state = {name: value for name, value in state.items() if not name.startswith(IGNORED)}
    model = CCL(**{**arguments(state), **options}, variant=variant, anchor=anchor)
    ours = model.state_dict()
    given = {rename(name): value for name, value in state.items()}
    missing = [name for name in ours if name not in given and not name.startswith(NOT_PUBLISHED)]
    left_over = [name for name, value in given.items() if name not in ours or ours[name].numel() != value.numel()]
    if missing or left_over:
        raise ModelError(
            f"The checkpoint does not fit ccl: missing {some(missing) or 'nothing'}; "
            f"left over {some(left_over) or 'nothing'}."
        )
    model.load_state_dict({**ours, **{name: value.view_as(ours[name]) for name, value in given.items()}})
    if anchor is None:
        warnings.warn(
            "Published weights of ccl come without their anchor, so its predictions mean nothing yet: give the anchor "
            "as anchor=..., or build one like it from the training patients' bags with model.rebuild_anchor(bags).",
            stacklevel=2,
        )
    return model.eval()


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes of published parameters."""
    try:
        n_groups = sum(bool(re.fullmatch(r"genomics_fc\.\d+\.0\.0\.weight", name)) for name in state)
        d, gene_hidden = state["geno_fc.0.weight"].shape
        filters = state.get("transformer.layer1.attn.res_conv.weight")  # one a head, of nystrom attention alone
        heads = {} if filters is None else {"heads": len(filters)}
        return {
            **heads,
            "embedding_dim": state["path_fc.0.weight"].shape[1],
            "group_sizes": tuple(state[f"genomics_fc.{i}.0.0.weight"].shape[1] for i in range(n_groups)),
            "n_bins": len(state["classifier.bias"]),
            "k": state["path_conv.0.weight"].numel(),
            "d": d,
            "gene_hidden": gene_hidden,
        }
    except KeyError as cause:
        raise ModelError(f"The checkpoint is not one of ccl: it lacks {cause}.") from cause
