"""Goldens of M3IF."""

from prognoscope.core.batch import Inputs
from prognoscope.models.checkpoints.loading import load_released, rename
from prognoscope.models.m3if.names import NAMES

from .case import Case, one_bag, same_gradients, same_survival, target


def check_m3if(case: Case) -> None:
    model = load_released("m3if", case.weights, **case.options("head_activation"))
    patches = case["in:path"].requires_grad_()
    output = model(Inputs(one_bag(patches).bags, (case["in:omic"].reshape(1, -1),)))
    same_survival(case, output)
    case.same(output.attention["patches"], "attn")
    for ours, theirs in {
        "attention_logits": "attn_raw",
        "patches": "path_bag",
        "genes": "tab_embed",
        "global_gate": "global_gate",
        "global_gated": "global_gated",
        "tab_gate": "tab_gate",
        "tab_gated": "tab_gated",
        "fused": "fused",
    }.items():
        if f"out:{theirs}" in case.arrays:
            case.same(output.details[ours], theirs)
    outcome = target(case["in:label"], case["in:censorship"])
    loss = model.survival_loss(output, outcome, **case.options("alpha"))
    case.same(loss, "nll")
    loss.sum().backward()
    first = dict(model.named_parameters())[rename("fc_omic.0.0.weight", NAMES)]
    gradients = {"path": patches.grad, "first_omic_weight": first.grad}
    same_gradients({name: case[f"out:grad_{name}"] for name in gradients}, gradients.__getitem__)
