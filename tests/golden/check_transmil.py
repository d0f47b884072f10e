"""Goldens of TransMIL: the survival copy in MCTI's code, and the original with the attention that it pins."""

from torch import Tensor

from prognoscope.models.checkpoints.loading import load_released

from .case import Case, one_bag, same_survival


def check_transmil(case: Case) -> None:
    meta = case.meta
    alignment = meta.get("alignment", "legacy" if "legacy" in meta["builder"] else "current")
    options = {"landmarks": meta["landmarks"], "steps": meta["pinv_iterations"], "alignment": alignment}
    model = load_released("transmil", case.weights, **options, **case.options("attention"))
    inputs = one_bag(case["in:x_path"])
    output = model(inputs)
    same_survival(case, output)
    if "out:slide" in case.arrays:
        case.same(output.details["slide"], "slide")
    stages: dict[str, Tensor] = {}
    encoder = model.encoder
    for name in ("layer1", "ppeg", "layer2"):
        module = getattr(encoder, name)
        module.register_forward_hook(lambda _, __, out, name=name: stages.update({f"after_{name}": out}))
    encoder(inputs.bags.replace(model.project(inputs.bags.values)))  # all rows of the second layer
    for name, ours in stages.items():
        if f"out:{name}" in case.arrays:
            case.same(ours, name)
