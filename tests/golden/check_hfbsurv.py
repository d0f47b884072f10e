"""Goldens of HFBSurv's core, with the two slips of the released code and without."""

import torch

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs
from prognoscope.core.losses import cox_partial_nll
from prognoscope.models.checkpoints.loading import load_released

from .case import Case, same_gradients
from .check_gpdbn import cox_target


def check_hfbsurv(case: Case) -> None:
    _check(case, "released", "")
    if "out:paper_out" in case.arrays:
        _check(case, "paper", "paper_")


def _check(case: Case, variant: str, prefix: str) -> None:
    model = load_released("hfbsurv", case.weights, variant=variant, **case.options("modalities", "norm"))
    inputs = {name: case[f"in:{name}"].clone().requires_grad_() for name in model.modalities}
    bags = Bags(inputs["path"], torch.ones(len(inputs["path"]), dtype=torch.int64))
    output = model(Inputs(bags, tuple(value for name, value in inputs.items() if name != "path")))
    details = output.details
    for name in ("attn_gene", "attn_path", "attn_cna", "code"):
        if f"out:{prefix}{name}" in case.arrays:
            case.same(details[name], f"{prefix}{name}")
    case.same(torch.cat([details["uni"], details["bi"]], dim=1), f"{prefix}fusion_input")
    case.same(output.log_hazard_ratio, f"{prefix}out")
    target = cox_target(case)
    loss = cox_partial_nll(output.log_hazard_ratio, target).sum() / (1 + target.event.sum())  # in both variants here
    case.same(loss, f"{prefix}cox_loss")
    if variant == "released":
        case.same(model.survival_loss(output, target).mean(), "cox_loss")
    loss.backward()
    same_gradients(
        {name: case[f"out:{prefix}grad_{name}"] for name in inputs},
        lambda name: torch.zeros_like(inputs[name]) if inputs[name].grad is None else inputs[name].grad,
    )
