"""Goldens of dual-stream attention: the original, and its copy in MCTI's released code."""

from functools import partial

import torch
import torch.nn.functional as F

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Output
from prognoscope.models.layers.dsmil import DSMIL, DualStreams
from prognoscope.models.released import dsmil
from prognoscope.models.released.loading import rename

from .case import Case, same_gradients

ours_of = partial(rename, names=dsmil.NAMES)


def check_dsmil(case: Case) -> None:
    layer, streams = run(case, nonlinear=case.meta["nonlinear"], passing_v=case.meta["passing_v"])
    case.same(streams.max_logits, "max_logits")
    assert torch.equal(streams.critical[0], case["out:critical_index"])
    output = Output(streams.bag_logits)
    for name, ours in {"hazards": output.hazard, "survival": output.survival, "risk": output.risk}.items():
        case.same(ours, name)
    label = case["in:label_onehot"][None]
    losses = [F.binary_cross_entropy_with_logits(each, label) for each in (streams.bag_logits, streams.max_logits)]
    loss = sum(losses) / 2
    case.same(loss, "loss_bce")
    loss.backward()
    parameters = dict(layer.named_parameters())
    same_gradients(case.gradients, lambda name: parameters[ours_of(name)].grad)


def check_dsmil_mctiversion(case: Case) -> None:
    _, streams = run(case, nonlinear=False, variant="mcti")
    patches, bag = Output(streams.patch_logits), Output(streams.bag_logits)
    for of, ours in {"instance": patches, "bag": bag}.items():
        case.same(ours.hazard, f"hazards_{of}")
        case.same(ours.survival, f"survival_{of}")
    case.same(bag.risk, "risk_bag")


def run(case: Case, **options) -> tuple[DSMIL, DualStreams]:
    layer = DSMIL(case.meta["d"], case.meta["C"], query_dim=case.meta["q_dim"], **options)
    layer.load_state_dict({ours_of(name): value for name, value in case.weights.items()})
    streams = layer(Bags(case["in:bag"], torch.tensor([len(case["in:bag"])])))
    case.same(streams.patch_logits, "instance_logits")
    case.same(streams.attention, "attention")
    case.same(streams.pooled, "bag_repr")
    case.same(streams.bag_logits, "bag_logits")
    return layer, streams
