"""Goldens of CLAM, single and multi branch."""

from functools import partial
from importlib import import_module

import torch

from prognoscope.core.losses import discrete_nll
from prognoscope.models.checkpoints.loading import load_released, rename

from .case import Case, one_bag, same_survival, target

LOSSES = {"svm": "smooth_top1_svm", "ce": "cross_entropy"}  # other names of one choice


def check_clam(case: Case) -> None:
    name, loss = case.meta["check"], case.meta["instance_loss"]
    options = {
        **case.options("k_sample", "subtyping"),
        "instance_weight": 1 - case.meta["bag_weight"],
        "instance_loss": LOSSES.get(loss, loss),
        "inst_on_censored": True,  # as in the published port
    }
    weights = case.weights
    if case.meta.get("head") == "classifiers":  # of two heads, where the file has both
        weights = {key: value for key, value in weights.items() if not key.startswith("cls_head.")}
    model = load_released(name, weights, **options)
    output, outcome = model(one_bag(case["in:x"])), target(case["in:label"], case["in:censorship"])
    same_survival(case, output)
    maps = output.attention["bins"] if name == "clam_mb" else output.attention["patches"][:, None]
    case.same(output.details["attention_logits"].T, "attention_raw")
    case.same(maps.T, "attention")
    case.same(output.details["patches"], "h")
    case.same(output.details["embedding"], "pooled")
    instance, chosen, said = model.instance_clustering(output, outcome)
    case.same(instance, "instance_loss")
    present = chosen.rows >= 0
    case.same(chosen.says_own[present].long(), "inst_labels", atol=0)
    case.same(said.argmax(dim=3)[present], "inst_preds", atol=0)
    alpha = case.meta.get("nll_alpha", 0.0)
    case.same(discrete_nll(output.logits, outcome, alpha=alpha, clamp=True), "loss_nll")
    losses = [model.survival_loss(output, outcome, alpha=alpha), *model.extra_losses(output, outcome).values()]
    total = torch.stack(losses).sum()
    case.same(total, "loss_total")
    total.backward()
    names = import_module(f"prognoscope.models.{name}.names").NAMES
    case.same_gradients(model, partial(rename, names=names))
