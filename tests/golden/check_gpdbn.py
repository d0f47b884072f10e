"""Goldens of GPDBN's core."""

import torch

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.models.checkpoints.loading import load_released

from .case import Case, same_gradients


def check_gpdbn(case: Case) -> None:
    model = load_released("gpdbn", case.weights, **case.options("use_inter", "use_intra"))
    gene, path = case["in:gene"].requires_grad_(), case["in:path"].requires_grad_()
    output = model(Inputs(Bags(path, torch.ones(len(path), dtype=torch.int64)), (gene,)))
    for name in ("inter", "intra_gene", "intra_path", "fusion_input", "code"):
        if f"out:{name}" in case.arrays:
            case.same(output.details[name], name)
    case.same(output.log_hazard_ratio, "out")
    loss = model.survival_loss(output, cox_target(case)).mean()
    case.same(loss, "cox_loss")
    loss.backward()
    gradients = {"grad_gene": gene.grad, "grad_path": path.grad}
    same_gradients({name: case[f"out:{name}"] for name in gradients}, gradients.__getitem__)


def cox_target(case: Case) -> Target:
    """The events of the file's patients, whom the released loss takes in their order, as sorted by decreasing time: so
    that of equal times the earlier row was followed longer."""
    event = case["in:event"].reshape(-1) == 1
    order = torch.arange(len(event), 0, -1)
    return Target(torch.zeros_like(order), event, order.float())
