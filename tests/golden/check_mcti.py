"""Goldens of MCTI's paper variant and of its transport."""

import torch
from torch import Tensor

from prognoscope.core.bags import Bag, Bags
from prognoscope.core.batch import Inputs
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.layers.transport import (
    column_potentials,
    exact_matching,
    exact_plan,
    sinkhorn_plan,
    squared_distances,
    unbalanced_plan,
    uniform,
)
from prognoscope.models.mcti.names import place

from .case import Case, same_gradients, target

SAME_NAME = ("heads", "gene_heads", "k", "d", "layers", "ff_ratio", "ot_eps", "ot_iters", "ot_grad", "gene_hidden")
OPTIONS = ("select", "aux_task", "tga", "intra", "guidance", "ot", "gene_init", "gene_grouping", "alpha_task")


def check_mcti_paper(case: Case) -> None:
    model = load_released("mcti", case.weights, dropout=case.meta["gene_dropout"], **case.options(*SAME_NAME, *OPTIONS))
    mask = case["in:mask"]
    bags = Bags.pack([Bag(values[present]) for values, present in zip(case["in:bag"], mask, strict=True)])
    inputs = Inputs(bags, (case["in:gene"],))
    output = model(inputs)
    _same_patches(case, output, mask)
    relative(case, output.details["gene"], "gene")
    if "out:gene_attn" in case.arrays:
        relative(case, output.attention["gene_groups"], "gene_attn")
    _same_stages(case, model.stages(inputs), model.network.k)
    relative(case, output.details["pooled_subtype"], "pooled_cls")
    relative(case, output.details["pooled_survival"], "pooled_surv")
    if "auxiliary_logits" in output.details:
        relative(case, output.details["auxiliary_logits"], "cls_logits")
    relative(case, output.logits, "surv_logits")
    for name, ours in {"hazards": output.hazard, "survival": output.survival, "risk": output.risk}.items():
        case.same(ours, name)
    _same_losses(case, model, output)


def check_mcti_ot(case: Case) -> None:
    objective, value, upstream = case["in:objective"].double(), case["in:value"].double(), case["in:upstream"]
    n = len(objective)
    even = torch.full((1, n), 1 / n, dtype=torch.float64)
    cost = squared_distances(objective[None], value[None])
    standardised = (cost - cost.mean()) / cost.std(correction=0)
    for name, ours in {
        "cost": cost,
        "cost_mean": cost.mean(),
        "cost_std": cost.std(correction=0),
        "cost_standardised": standardised,
        "emd_plan": exact_plan(cost, even, even),
        "emd_cost": (exact_plan(cost, even, even) * standardised).sum(),
    }.items():
        case.same(ours, name, atol=1e-9)
    assert torch.equal(exact_matching(cost)[0], case["out:emd_match"])
    centred = -(objective - objective.mean(0)) @ (value - value.mean(0)).T
    case.same(centred / centred.square().mean().sqrt(), "cost_centred", atol=1e-9)
    for name in [name for name in case.named("out") if name.startswith("sinkhorn_")]:
        _same_sinkhorn(case, name, even, upstream)
    for name in [name for name in case.named("out") if name.startswith("grad_")]:
        _same_sinkhorn_gradient(case, name, even, upstream)
    _same_rectangular(case, even)


def check_mcti_ot_batched(case: Case) -> None:
    mass = uniform(case["in:mask"].double())
    options = {"eps": case.meta["eps"], "iterations": case.meta["T"], "start": "zero"}
    plans = sinkhorn_plan(case["in:cost"], mass, mass, **options)
    for i, plan in enumerate(plans):
        case.same(plan, f"plan_{i}", atol=1e-9)


def relative(case: Case, ours: Tensor, name: str, keep: Tensor | None = None) -> None:
    """Equal to 1e-5, or of the largest entry if that is above 1; `keep` marks the entries that mean something."""
    theirs = case[f"out:{name}"]
    assert ours.shape == theirs.shape, f"{name}: {tuple(ours.shape)} against {tuple(theirs.shape)}"
    difference = (ours.detach() - theirs).abs()
    worst = difference.max() if keep is None else difference[keep].max()
    assert worst <= 1e-5 * theirs.abs().max().clamp(min=1), f"{name} is off by {worst:.2e}"


def _same_patches(case: Case, output, mask: Tensor) -> None:
    for ours, name in {"patch_logits": "inst_logits", "patch_attention": "attn_bag"}.items():
        theirs, found = case[f"out:{name}"][mask], output.details[ours].detach()
        assert (found - theirs).abs().max() <= 1e-5 * theirs.abs().max().clamp(min=1), name
    relative(case, output.details["max_logits"], "max_logits")
    relative(case, output.details["bag_logits"], "bag_logits")
    assert torch.equal(output.details["topk_index"], case["out:topk_index"])


def _same_stages(case: Case, record: dict[str, Tensor], k: int) -> None:
    """Streams and maps of every block, our one gene token of weight k spread over the k published copies."""
    weight = record["token_weight"]
    merged = weight.shape[1] == 2 * k + 1
    n = torch.tensor([1] * k + [k] + [1] * k) if merged else torch.ones(3 * k, dtype=torch.int64)
    of_copy = torch.repeat_interleave(torch.arange(len(n)), n)
    keep = case["out:token_mask"]
    assert torch.equal(weight[:, of_copy] > 0, keep)
    per_copy = (1 / n)[of_copy]
    for name in case.named("out"):
        parts = name.split("_")
        if not (name.startswith(("enc", "dec")) and parts[0][3:].isdigit()):
            continue
        block = {"enc": "encoder", "dec": "decoder"}[name[:3]] + "." + parts[0][3:]
        stream = {"cls": 0, "surv": 1}.get(parts[-1])
        if parts[1] == "share":
            relative(case, record[f"{block}.share"][0][:, of_copy], name, keep)
        elif parts[1] == "attn" and f"{block}.channels" in record:
            relative(case, record[f"{block}.channels"][stream], name)
        elif parts[1] in ("plan", "attn"):
            map_ = record[f"{block}.{'plan' if parts[1] == 'plan' else 'attention'}"][stream]
            ours = map_[..., of_copy, :][..., of_copy] * per_copy
            rows = keep[:, None, :, None] if ours.ndim == 4 else keep[:, :, None]
            relative(case, ours, name, rows.expand_as(ours))
        else:
            relative(case, record[f"{block}.tasks"][stream][:, of_copy], name, keep)


def _same_losses(case: Case, model, output) -> None:
    subtype = case["in:subtype"]
    truth = target(case["in:label"], case["in:censorship"], subtype)
    losses = {"survival": model.survival_loss(output, truth), **model.extra_losses(output, truth)}
    names = {
        "survival": "loss_surv",
        "subtype": "loss_cls",
        "auxiliary_survival": "loss_cls",
        "dsmil_bag": "loss_dsmil_bag",
        "dsmil_instance": "loss_dsmil_inst",
    }
    known = (subtype >= 0).float()
    # the specification skips unknown subtypes, but does not say whether the mean is over all patients or the others
    if "subtype" in losses and known.any() and (losses["subtype"].mean() - case["out:loss_cls"]).abs() > 1e-5:
        losses |= {name: loss * len(known) / known.sum() for name, loss in losses.items() if name != "survival"}
    for ours, loss in losses.items():
        relative(case, loss.mean(), names[ours])
    total = sum(losses.values()).mean()
    relative(case, total, "loss_total")
    total.backward()
    parameters = dict(model.network.named_parameters())

    def gradient_of(name: str) -> Tensor:
        ours, index = place(name, model.network.tokens.shape[2])
        return parameters[ours].grad[index]

    same_gradients(case.gradients, gradient_of)


def _cost_and_eps(case: Case, name: str) -> tuple[Tensor, float]:
    kind, eps = name.split("_")[1:3]
    return case[f"out:cost_{kind}"][None], float(eps.removeprefix("eps"))


def _same_sinkhorn(case: Case, name: str, even: Tensor, upstream: Tensor) -> None:
    """A plan `..._T20` or `..._converged`, or a potential `..._f` or `..._g`, which is defined up to a constant."""
    cost, eps = _cost_and_eps(case, name)
    last = name.split("_")[-1]
    if last in ("f", "g"):
        iterations = int(name.split("_")[-2].removeprefix("T"))
        start = torch.zeros_like(even)
        g = column_potentials(cost, even.log(), even.log(), eps=eps, iterations=iterations, start=start)
        f = eps * (even.log() - ((g[:, None] - cost) / eps).logsumexp(dim=2))
        ours, theirs = (f if last == "f" else g)[0], case[f"out:{name}"]
        assert ((ours - ours.mean()) - (theirs - theirs.mean())).abs().max() <= 1e-9, name
        return
    iterations = 20_000 if last == "converged" else int(last.removeprefix("T"))
    plan = sinkhorn_plan(cost, even, even, eps=eps, iterations=iterations, start="zero")
    case.same(plan, name, atol=1e-9)


def _same_sinkhorn_gradient(case: Case, name: str, even: Tensor, upstream: Tensor) -> None:
    cost, eps = _cost_and_eps(case, name)
    cost.requires_grad_()
    iterations, gradient = int(name.split("_")[3].removeprefix("T")), name.split("_")[4]
    plan = sinkhorn_plan(cost, even, even, eps=eps, iterations=iterations, start="zero", gradient=gradient)
    (plan * upstream).sum().backward()
    theirs = case[f"out:{name}"]
    assert (cost.grad[0] - theirs).abs().max() <= 1e-8 * theirs.abs().max(), name


def _same_rectangular(case: Case, even: Tensor) -> None:
    cost, a, b = (case[f"in:rect_{name}"][None] for name in ("cost", "a", "b"))
    plan = exact_plan(cost, a, b)
    case.same(plan, "rect_emd_plan", atol=1e-9)
    case.same((plan * cost).sum(), "rect_emd_cost", atol=1e-9)
    m = cost.shape[2]
    masses = {"rect": (a, b), "unif": (even, torch.full((1, m), 1 / m, dtype=torch.float64))}
    for name in case.named("out"):
        parts = name.split("_")
        if name.startswith("rect_sinkhorn_eps"):
            eps = float(parts[2].removeprefix("eps"))
            case.same(sinkhorn_plan(cost, a, b, eps=eps, iterations=20_000), name, atol=1e-9)
        elif parts[0] == "uot":
            stops = {"tolerance": 1e-15, "most_rounds": 20_000}
            if parts[3].startswith("stop"):
                stops = {"tolerance": float(parts[3].removeprefix("stop"))}
            prices = {"reg": case.meta["unbalanced"]["reg"], "marginal_penalty": case.meta["unbalanced"]["reg_m"]}
            plan = unbalanced_plan(cost, *masses[parts[1]], regularizer=parts[2], **prices, **stops)
            case.same(plan, name, atol=1e-9)
