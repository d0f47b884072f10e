"""Goldens of Surformer."""

from functools import partial

import torch

from prognoscope.core.batch import Output
from prognoscope.core.losses import discrete_nll
from prognoscope.models.checkpoints.loading import load_released, rename
from prognoscope.models.surformer import names as surformer

from .case import Case, one_bag, target


def check_surformer(case: Case) -> None:
    margin = {True: 0.2, False: None}.get(margin := case.meta.get("margin"), margin)
    sizes = {"heads": case.meta["heads"], "head_dim": case.meta["dh"]}
    model = load_released("surformer", case.weights, margin=margin, **sizes)
    output = model(one_bag(case["in:x"]))
    details = output.details
    for name, ours in {"hazards": output.hazard, "survival": output.survival, "risk": output.risk}.items():
        case.same(ours, name)
    case.same(Output(details["global_logits"]).hazard, "hazards_global")
    case.same(Output(details["local_logits"]).hazard, "hazards_local")
    case.same(details["local_features"], "local_features")
    case.same(details["tokens"], "tokens")
    case.same(details["scores"].permute(1, 2, 0), "sim")
    assert torch.equal(details["assign"].T, case["out:assign"])
    assert torch.equal(details["selected"].T, case["out:selected"])
    case.same(details["ratio"], "ratio")
    truth = target(case["in:label"], case["in:censorship"])
    extra = model.extra_losses(output, truth)
    overall = model.survival_loss(output, truth)
    case.same(overall, "loss_nll_overall")
    case.same(extra["global"], "loss_nll_global")
    case.same(extra["local"], "loss_nll_local")
    case.same(extra["cosine"], "loss_cosine")
    assert torch.equal(overall, discrete_nll(output.logits, truth))
    total = (overall + sum(extra.values())).mean()
    case.same(total, "loss_total")
    total.backward()
    case.same_gradients(model, partial(rename, names=surformer.NAMES))
