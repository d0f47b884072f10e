"""Goldens of PORPOISE: every stage, the attention, the prediction, loss and gradients."""

import torch

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs
from prognoscope.models.checkpoints.loading import load_released

from .case import Case, same_gradients, same_survival, target

STAGES = {
    "path_bag": "patches",
    "path_embed": "patch",
    "omic_embed": "gene",
    "gated_path": "gated_patch",
    "gated_omic": "gated_gene",
    "fused": "fused",
    "attn_raw": "attention_logits",
}


def check_porpoise(case: Case) -> None:
    gates = {name: bool(value) for name, value in case.options("gate_path", "gate_omic").items()}
    model = load_released("porpoise", case.weights, **gates, **case.options("omic_block", "dropinput"))
    bag = case["in:path"].requires_grad_()
    output = model(Inputs(Bags(bag, torch.tensor([len(bag)])), (case["in:omic"].reshape(1, -1),)))
    for theirs, ours in STAGES.items():
        if theirs in case.named("out"):
            case.same(output.details[ours], theirs)
    case.same(output.attention["patches"], "attn")
    same_survival(case, output)
    loss = model.survival_loss(output, target(case["in:label"], case["in:censorship"])).mean()
    case.same(loss, "nll")
    loss.backward()
    gradients = {"grad_path": bag.grad, "grad_first_omic_weight": model.genes[0][0].weight.grad}
    golden = {name: case[f"out:{name}"] for name in gradients if f"out:{name}" in case.arrays}
    assert golden
    same_gradients(golden, gradients.__getitem__)
