"""Goldens of MOTCat: the solver, the whole network, and micro-batches."""

import math

import torch
from torch.testing import assert_close

from prognoscope.core.losses import discrete_nll
from prognoscope.models.layers.transport import squared_distances, unbalanced_transport
from prognoscope.models.motcat.network import BALANCED_TOLERANCE, shifted

from .case import Case, same_gradients, target
from .check_mcat import guided_inputs, load_guided, same_guided

SOLVERS = {"pot-uot-l2": "unbalanced", "pot-sinkhorn-l2": "balanced"}


def check_motcat(case: Case) -> None:
    model, inputs = load_guided("motcat", case, **_options(case)), guided_inputs(case)
    output = model(inputs)
    case.same(output.details["plan"].mT, "plan")
    same_guided(case, model, inputs, output)


def check_motcat_microbatch(case: Case) -> None:
    options = _options(case) | case.options("micro_batch")
    model, inputs = load_guided("motcat", case, **options), guided_inputs(case)
    output, truth = (
        model.predict_in_groups(inputs, case["in:chunk_id"]),
        target(case["in:label"], case["in:censorship"]),
    )
    logits = output.details["group_logits"]
    assert output.details["groups_per_patient"].tolist() == [case.meta["n_chunks"]]
    case.same(logits, "chunk_logits")
    of_groups = truth.take(torch.zeros(len(logits), dtype=torch.int64))
    case.same(discrete_nll(logits, of_groups), "chunk_nll")
    case.same(-(1 - logits.sigmoid()).cumprod(dim=1).sum(dim=1), "chunk_risk")
    case.same(output.risk, "risk")
    loss = model.survival_loss(output, truth)
    case.same(loss, "nll")
    loss.sum().backward()
    same_gradients({"grad_path": case["out:grad_path"]}, lambda _: inputs.bags.values.grad)


def check_motcat_ot(case: Case) -> None:
    patches, genes = case["in:patch_features"][None], case["in:gene_features"][None]
    cost = squared_distances(shifted(patches), shifted(genes))
    _relative(cost, case["out:cost"])
    cost = cost / cost.max()
    _relative(cost, case["out:cost_scaled"])
    a, b = (torch.full_like(each[:, :, 0], 1 / each.shape[1]) for each in (patches, genes))
    stop = {"tolerance": case.meta["stop"], "most_rounds": case.meta["max_iter"]}
    for name in case.named("out"):
        if not name.startswith("plan_"):
            continue
        *_, kernel = name.split("_eps")[0].split("_")
        numbers = name.split("_eps")[1].split("_tau")
        eps, tau = float(numbers[0]), float(numbers[1]) if len(numbers) > 1 else math.inf
        if kernel == "balanced":
            masses = [shifted(x).sum(dim=2) / shifted(x).sum() for x in (patches, genes)]
            for mass, side in zip(masses, ("patch", "gene"), strict=True):
                _relative(mass, case[f"out:weights_{side}_balanced"])
            solved = unbalanced_transport(cost, *masses, reg=eps, marginal_penalty=tau, tolerance=BALANCED_TOLERANCE)
        else:
            options = {"regularizer": kernel, "reg": eps, "marginal_penalty": tau}
            options |= {"tolerance": 1e-15, "most_rounds": 100_000} if "exact" in name else stop
            solved = unbalanced_transport(cost, a, b, **options)
        _relative(solved.plan, case[f"out:{name}"])
        if f"out:{name.replace('plan', 'iterations')}" in case.arrays:
            assert solved.rounds.item() == case[f"out:{name.replace('plan', 'iterations')}"].item(), name


def _options(case: Case) -> dict[str, object]:
    kernel = case.meta["ot_kernel"]
    solver = case.meta["ot_impl"]
    options = {"ot_impl": SOLVERS.get(solver, solver)} | case.options("ot_reg", "ot_tau")
    return options if kernel == "balanced" else options | {"ot_kernel": kernel}


def _relative(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """To 1e-9 of each entry."""
    assert_close(ours[0], theirs, atol=0, rtol=1e-9)
