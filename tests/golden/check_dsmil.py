"""Goldens of dual-stream attention: the original, and its copy in MCTI's released code."""

from functools import partial

import torch
import torch.nn.functional as F

from prognoscope.core.batch import Output
from prognoscope.models.base import SurvivalModel
from prognoscope.models.checkpoints.loading import load_released, rename
from prognoscope.models.dsmil import names as dsmil

from .case import Case, one_bag


def check_dsmil(case: Case) -> None:
    model, output = run(case, nonlinear=case.meta["nonlinear"], passing_v=case.meta["passing_v"])
    details = output.details
    case.same(details["max_logits"], "max_logits")
    assert torch.equal(details["critical"][0], case["out:critical_index"])
    for name, ours in {"hazards": output.hazard, "survival": output.survival, "risk": output.risk}.items():
        case.same(ours, name)
    label = case["in:label_onehot"][None]
    streams = (details["bag_logits"], details["max_logits"])
    loss = sum(F.binary_cross_entropy_with_logits(each, label) for each in streams) / 2
    case.same(loss, "loss_bce")
    loss.backward()
    case.same_gradients(model, partial(rename, names=dsmil.NAMES))


def check_dsmil_mctiversion(case: Case) -> None:
    _, bag = run(case, variant="mcti")
    for of, ours in {"instance": Output(bag.details["patch_logits"]), "bag": bag}.items():
        case.same(ours.hazard, f"hazards_{of}")
        case.same(ours.survival, f"survival_{of}")
    case.same(bag.risk, "risk_bag")


def run(case: Case, **options) -> tuple[SurvivalModel, Output]:
    model = load_released("dsmil", case.weights, query_dim=case.meta["q_dim"], **options)
    output = model(one_bag(case["in:bag"]))
    case.same(output.details["patch_logits"], "instance_logits")
    case.same(output.attention["per_bin"], "attention")
    case.same(output.details["pooled"], "bag_repr")
    case.same(output.details["bag_logits"], "bag_logits")
    return model, output
