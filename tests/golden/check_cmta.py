"""Goldens of CMTA: both variants, a batch, gradients, ablations, its cross-attention and losses; of DualTrans."""

import torch
from torch import Tensor
from torch.testing import assert_close

from prognoscope.core.bags import Bag, Bags
from prognoscope.core.batch import Inputs
from prognoscope.core.losses import discrete_nll
from prognoscope.models.checkpoints.loading import load_released, rename
from prognoscope.models.cmta.alignment import ALIGNMENTS, alignment_loss, distance
from prognoscope.models.cmta.cross_attention import OneHeadAttention, SharedCrossAttention
from prognoscope.models.cmta.names import NAMES

from .case import Case, same_gradients, same_survival, target

SUMMARIES = ("p", "p_hat", "g", "g_hat")


def check_cmta(case: Case) -> None:
    """One patient, of either variant: every intermediate, the maps, and the prediction."""
    model, inputs = _model(case), _inputs(case)
    output, stages = model(inputs), model.stages(inputs)
    for ours, theirs in {
        "patch_embedding": "path_embed",
        "gene_embedding": "geno_embed",
        "patch_tokens": "path_enc_tokens",
        "gene_tokens": "geno_enc_tokens",
        "patch_cross": "path_cross",
        "gene_cross": "geno_cross",
    }.items():
        case.same(stages[ours], theirs)
    for name in ("attn_p2g", "score_p2g"):
        if f"out:{name}" in case.arrays:
            case.same(stages[name], name)
    for name in ("attn_g2p", "score_g2p"):
        if f"out:{name}" in case.arrays:
            case.same(stages[name].mT, name)
    _same_folded(case, "", output, len(inputs.bags.values))
    for name in (*SUMMARIES, "fused"):
        case.same(output.details[name], name)
    same_survival(case, output)


def check_cmta_batch(case: Case) -> None:
    patients = [_inputs(case, f"_{i}") for i in range(case.meta["batch"])]
    bags = Bags.pack([Bag(one.bags.values) for one in patients])
    inputs = Inputs(bags, tuple(map(torch.cat, zip(*[one.omics for one in patients], strict=True))))
    model = _model(case)
    output, stages = model(inputs), model.stages(inputs)
    sides = [case[f"out:attn_p2g_{i}"].shape[0] for i in range(len(patients))]
    for i, (p2g, g2p) in enumerate(zip(*(stages[name].split(sides) for name in ("attn_p2g", "attn_g2p")), strict=True)):
        case.same(p2g, f"attn_p2g_{i}")
        case.same(g2p.mT, f"attn_g2p_{i}")
        for name in SUMMARIES:
            case.same(output.details[name][i], f"{name}_{i}")
        for name, ours in _predicted(output).items():
            case.same(ours[i], f"{name}_{i}")


def check_cmta_grad(case: Case) -> None:
    options = case.options("alpha", "alignment", "gamma")
    for prefix in sorted({name.split("/")[0] for name in case.named("out")}):
        mode, censored = prefix.split("_c")
        model = _model(case, detach={"detach": True, "nodetach": False}[mode], **options)
        output = model(_inputs(case))
        truth = target(torch.tensor([case.meta["label"]]), torch.tensor([int(censored)]))
        survival, extra = model.survival_loss(output, truth), model.extra_losses(output, truth)
        case.same(survival, f"{prefix}/nll")
        if model.alignment != "orthogonal":
            p, p_hat, g, g_hat = (output.details[name] for name in SUMMARIES)
            case.same(distance(model.alignment, p, p_hat), f"{prefix}/align_path")
            case.same(distance(model.alignment, g, g_hat), f"{prefix}/align_geno")
        loss = survival + sum(extra.values())
        case.same(loss, f"{prefix}/loss", atol=case.atol * max(1.0, model.alpha))
        loss.sum().backward()
        golden = {k.split("/grad/")[1]: v for k, v in case.named("out").items() if k.startswith(f"{prefix}/grad/")}
        parameters = dict(model.named_parameters())
        same_gradients(golden, lambda name, ours=parameters: ours[rename(name, NAMES)].grad)


def check_cmta_ablations(case: Case) -> None:
    """A model without a part has no use for the part's weights."""
    without = {
        "full": ({}, ()),
        "no_cross_attention": ({"cross_attention": False}, ("cross.", "P_in_G_Att.", "G_in_P_Att.")),
        "no_ppeg": ({"ppeg": False}, (".pos_layer.",)),
    }
    for name in sorted({name.split("/")[0] for name in case.named("out")}):
        options, unused = without[name]
        weights = {key: value for key, value in case.weights.items() if not any(part in key for part in unused)}
        output = _model(case, weights, **options)(_inputs(case))
        for summary in SUMMARIES:
            case.same(output.details[summary], f"{name}/{summary}")
        for quantity, ours in _predicted(output).items():
            case.same(ours, f"{name}/{quantity}")


def check_crossattn_released(case: Case) -> None:
    attention = OneHeadAttention(case.meta["dim"])
    attention.load_state_dict(case.weights)
    patches, groups = Bags(case["in:P"], torch.tensor([len(case["in:P"])])), case["in:G"][None]
    for direction, (read, weights, scores) in {
        "p2g": attention.patches_read(patches, groups),
        "g2p": attention.groups_read(groups, patches),
    }.items():
        rows = (weights, scores) if direction == "p2g" else (weights.mT, scores.mT)
        for name, ours in zip(("y", "attn", "score"), (read, *rows), strict=True):
            case.same(ours, f"{name}_{direction}")


def check_crossattn_paper(case: Case) -> None:
    attention = SharedCrossAttention(case.meta["dim"])
    attention.load_state_dict({name.lower(): value for name, value in case.weights.items()})
    exchange = attention(Bags(case["in:P"], torch.tensor([len(case["in:P"])])), case["in:G"][None])
    case.same(exchange.of_patches, "path_info")
    case.same(exchange.of_genes, "geno_info")
    case.same(exchange.gene_to_patch.mT, "H_p")
    case.same(exchange.patch_to_gene, "H_g")


def check_loss_cmta(case: Case) -> None:
    """Each alignment, detached or not, with gradients of the published reduction; the likelihood, with its clamp."""
    for batch, kind in sorted({tuple(name.split("/")[:2]) for name in case.named("out") if name.startswith("b")}):
        assert kind in ALIGNMENTS, f"no alignment {kind!r} is known"
        _same_alignment(case, batch, kind)
    truth, logits = target(case["in:label"], case["in:censorship"]), case["in:logits"].requires_grad_()
    loss = discrete_nll(logits, truth, alpha=case.meta["nll_alpha"], clamp=True)
    case.same(loss, "nll/per_patient", atol=1e-5)
    case.same(loss.mean(), "nll/mean")
    loss.mean().backward()
    if "out:nll/grad_logits" in case.arrays:
        _close(logits.grad, case["out:nll/grad_logits"], "the likelihood's gradient")


def check_dualtrans(case: Case) -> None:
    options = {"landmarks": case.meta["landmarks"], "steps": case.meta["pinv_iterations"]}
    output = load_released("dualtrans", case.weights, **options, **case.options("attention"))(_inputs(case))
    for name in ("p", "g", "fused"):
        case.same(output.details[name], name)
    same_survival(case, output)


def _model(case: Case, weights: dict[str, Tensor] | None = None, **options):
    told = {"landmarks": case.meta["landmarks"], "steps": case.meta["pinv_iterations"], "variant": case.meta["variant"]}
    return load_released("cmta", weights or case.weights, **told, **case.options("attention"), **options)


def _inputs(case: Case, suffix: str = "") -> Inputs:
    bag = case[f"in:x_path{suffix}"]
    omics = tuple(case[f"in:omic{k}{suffix}"][None] for k in range(1, len(case.meta["omic_sizes"]) + 1))
    return Inputs(Bags(bag, torch.tensor([len(bag)])), omics)


def _predicted(output) -> dict[str, Tensor]:
    return {"logits": output.logits, "hazards": output.hazard, "survival": output.survival, "risk": output.risk}


def _same_folded(case: Case, suffix: str, output, n: int) -> None:
    """Maps on patches: a copy's attention is its patch's."""
    g2p, p2g = case[f"out:attn_g2p{suffix}"], case[f"out:attn_p2g{suffix}"]
    folded = g2p[:, :n].clone()
    folded[:, : g2p.shape[1] - n] += g2p[:, n:]
    for name, theirs in {"gene_to_patch": folded.T, "patch_to_gene": p2g[:n], "patches": folded.mean(0)}.items():
        assert_close(output.attention[name], theirs, atol=case.atol, rtol=0)


def _same_alignment(case: Case, batch: str, kind: str) -> None:
    summed = case.meta["reduction"].get(kind, "").startswith("sum")
    for mode in ("detach", "nodetach"):
        four = [case[f"in:{name}_{batch}"].clone().requires_grad_() for name in SUMMARIES]
        loss = alignment_loss(kind, *four, detach=mode == "detach", gamma=case.meta["gamma"])
        if kind == "orthogonal":
            mode = ""
            loss = alignment_loss(kind, *four, gamma=case.meta["gamma"])
            case.same(loss, f"{batch}/{kind}/per_patient")
        else:
            parts = {"path": distance(kind, *four[:2]), "geno": distance(kind, *four[2:])}
            assert_close(loss, sum(parts.values()))
            for name, ours in parts.items():
                if f"out:{batch}/{kind}/{name}_per_patient" in case.arrays:
                    case.same(ours, f"{batch}/{kind}/{name}_per_patient")
                case.same(ours.sum() if summed else ours.mean(), f"{batch}/{kind}/{name}")
        (loss.sum() if summed else loss.mean()).backward()
        for name, each in zip(SUMMARIES, four, strict=True):
            golden = f"out:{batch}/{kind}/{mode}/grad_{name}".replace("//", "/")
            if golden in case.arrays:
                _close(each.grad, case[golden], golden)
            elif mode == "detach" and any(key.startswith(f"out:{batch}/{kind}/detach/grad_") for key in case.arrays):
                assert each.grad is None or not each.grad.any(), f"{golden}: a summary is moved"


def _close(ours: Tensor, theirs: Tensor, name: str) -> None:
    worst = (ours - theirs).abs().max()
    assert worst <= 1e-4 * theirs.abs().max(), f"{name} is off by {worst:.2e}"
