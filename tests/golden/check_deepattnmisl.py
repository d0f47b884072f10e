"""Goldens of DeepAttnMISL, with hazards and in the original form, with given clusters."""

from functools import partial

import pytest
import torch

from prognoscope.models.checkpoints.loading import load_released, rename
from prognoscope.models.deepattnmisl import names as deepattnmisl

from .case import Case, one_bag, same_survival, target


def check_deepattnmisl(case: Case) -> None:
    sizes = {"num_clusters": case.meta["num_clusters"]}
    check_released(case, **sizes, **case.options("shared_encoder", "mask_empty"))
    if not case.meta["empty_clusters"] and "mask_empty" not in case.meta:
        check_released(case, **sizes, **case.options("shared_encoder"), mask_empty=True)


def check_released(case: Case, **options) -> None:
    model = load_released("deepattnmisl", case.weights, **options)
    output = model.predict(one_bag(case["in:x"]), case["in:cluster_id"])
    same_survival(case, output)
    case.same(output.attention["clusters"], "attention")
    raw = output.details["cluster_logits"]
    left_out = case["out:attention_raw"].isinf().view(raw.shape)  # if the file has them after the mask
    assert not (left_out & (output.details["cluster_sizes"] > 0)).any()
    theirs = case["out:attention_raw"].view(raw.shape).where(~left_out, 0)
    torch.testing.assert_close(raw.where(~left_out, 0), theirs, atol=case.atol, rtol=0)
    case.same(output.details["clusters"], "h")
    case.same(output.details["embedding"], "pooled")
    outcome = target(case["in:label"], case["in:censorship"])
    loss = model.survival_loss(output, outcome, **case.options("alpha")).mean()
    case.same(loss, "loss_nll")
    loss.backward()
    case.same_gradients(model, partial(rename, names=deepattnmisl.NAMES))


def check_deepattnmisl_original(case: Case) -> None:
    with pytest.warns(UserWarning, match="no hazards"):
        model = load_released("deepattnmisl", case.weights, num_clusters=case.meta["num_clusters"])
    output = model.predict(one_bag(case["in:x"]), case["in:cluster_id"])
    case.same(output.risk, "risk")
    case.same(output.attention["clusters"], "attention")
    there = output.details["cluster_sizes"][0] > 0
    case.same(there, "mask")
    of_zero = model.encoders[0](torch.zeros_like(case["in:x"][:1]))  # what the file has for clusters without patches
    case.same(output.details["clusters"][0].where(there[:, None], of_zero), "h")
    case.same(output.details["embedding"], "pooled")
