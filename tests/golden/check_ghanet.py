"""Goldens of G-HANet: the whole model in both variants, its modules, and the scaled cosine error."""

from functools import partial

import torch

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Target
from prognoscope.models.checkpoints.loading import load_released, rename
from prognoscope.models.ghanet import names as ghanet
from prognoscope.models.ghanet.hyper_pooling import HyperPooling
from prognoscope.models.ghanet.network import scaled_cosine_error
from prognoscope.models.layers.token_attention import GatedFeedForward, TokenAttention

from .case import Case, one_bag, same_survival, target

OPTIONS = ("heads", "ratio", "fusion", "sce_gamma", "alpha_recon", "recon_reduction", "variant")
IN_ATTENTION = {
    "assoc": "association",
    "w_genomic": "genomic",
    "m_hyper": "hyper",
    "w_morphology": "morphology",
}
IN_DETAILS = {"f_gi": "f_gi", "f_f2": "f_f2", "f_m": "f_m", "f_m_attended": "f_m_attended", "h": "embedding"}


def check_ghanet(case: Case) -> None:
    """Every intermediate, every loss, and the gradient of their sum."""
    model = load_released("ghanet", case.weights, **case.options(*OPTIONS))
    output = model(one_bag(case["in:x"]))
    same_survival(case, output)
    for name, ours in IN_ATTENTION.items():
        if f"out:{name}" in case.arrays:
            case.same(output.attention[ours].reshape(len(case["in:x"]), -1).T, name)
    if "out:topk_mask" in case.arrays:
        assert torch.equal(output.details["topk_mask"].T, case["out:topk_mask"].bool())
    for name, ours in IN_DETAILS.items():
        case.same(output.details[ours], name)
    genes = tuple(case[f"in:omic{i + 1}"][None] for i in range(len(model.group_sizes)))
    for i, size in enumerate(model.group_sizes):
        if size:
            case.same(output.details[f"reconstruction_{i}"], f"recon{i + 1}")
    truth = target(case["in:label"], case["in:censorship"])
    truth = Target(truth.bin, truth.event, truth.time, omics=genes)
    survival = model.survival_loss(output, truth, alpha=case.meta["nll_alpha"]).mean()
    weighted = {name: loss.mean() for name, loss in model.extra_losses(output, truth).items()}
    groups = sum(size > 0 for size in model.group_sizes) if model.recon_reduction == "mean" else 1
    case.same(survival, "loss_nll")
    for name, loss in weighted.items():
        if model.alpha_recon:
            case.same(loss * groups / model.alpha_recon, f"loss_{name}_sum")
    total = survival + sum(weighted.values())
    case.same(total, "loss_total")
    total.backward()
    case.same_gradients(model, partial(rename, names=ghanet.NAMES))


def check_ghanet_modules(case: Case) -> None:
    """Cross-attention, self-attention, feed-forward, pooling by given weights, gate."""
    dim, heads = case.meta["D"], case.meta["heads"]
    names = {f"{kind}.to_{letter}.0": f"{kind}.to_{letter}" for kind in ("mhca", "mhsa") for letter in "qk"}
    names |= {"ffn.net.0": "ffn.widen", "ffn.net.2": "ffn.narrow"}
    names |= {theirs.replace("hyperconv1", "hyper"): ours for theirs, ours in ghanet.NAMES.items() if "conv" in theirs}
    names |= {theirs: ours for theirs, ours in ghanet.NAMES.items() if theirs.startswith("gate.")}
    modules = torch.nn.ModuleDict(
        {
            "mhca": TokenAttention(dim, heads),
            "mhsa": TokenAttention(dim, heads),
            "ffn": GatedFeedForward(dim),
            "pool": HyperPooling(dim, case.meta["gate_dim"], 0.2),
        }
    )
    modules.load_state_dict({rename(name, names): value for name, value in case.weights.items()})
    queries, patches = case["in:q"], Bags(case["in:ctx"][0], torch.tensor([case["in:ctx"].shape[1]]))
    drawn, scores = modules["mhca"].over(queries, patches)
    case.same(drawn, "mhca_out")
    case.same(scores.permute(1, 2, 0), "mhca_sim")
    case.same(modules["mhsa"](queries), "mhsa_out")
    case.same(modules["ffn"](queries), "ffn_out")
    case.same(modules["pool"].pooled(patches, case["in:weights"].T), "hyper_out")
    case.same(modules["pool"].gate(patches.values), "gate_logits")


def check_loss_sce(case: Case) -> None:
    for name in case.named("out"):
        kind, _, gamma = name.partition(":gamma")
        pair = kind.removeprefix("sce").removeprefix("mse")
        found, truth = case[f"in:pred{pair}"][None].requires_grad_(), case[f"in:true{pair}"][None]
        if not gamma:
            case.same((found - truth).square().mean(), name)
            continue
        loss = scaled_cosine_error(found, truth, float(gamma))
        case.same(loss, name)
        if f"grad:pred{pair}|gamma{gamma}" in case.arrays:
            loss.sum().backward()
            golden = case[f"grad:pred{pair}|gamma{gamma}"]
            assert (found.grad[0] - golden).abs().max() <= 1e-4 * golden.abs().max(), f"gradient of {name}"
