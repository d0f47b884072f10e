"""Goldens of DTFD-MIL: both tiers, for each way to distil, with a given partition."""

from functools import partial

from prognoscope.models.checkpoints.loading import load_released, rename
from prognoscope.models.dtfd_mil import names as dtfd_mil

from .case import Case, one_bag, target


def check_dtfd_mil(case: Case) -> None:
    inputs, truth = one_bag(case["in:x"]), target(case["in:label"], case["in:censorship"])
    options = case.options("num_groups", "total_instance", "residual_blocks")
    options["cam_score"] = "last" if "last class" in case.meta.get("cam_score", "last class") else "risk"
    for distill in ("AFS", "MaxS", "MaxMinS"):
        if f"out:{distill}:logits" not in case.arrays:
            continue
        model = load_released("dtfd_mil", case.weights, distill=distill.lower(), **options)
        output = model.predict(inputs, case["in:group_id"])
        details = output.details
        case.same(details["tier2_input"], f"{distill}:tier2_input")
        case.same(details["tier2_attention"], f"{distill}:attention2")
        survival = {"logits": output.logits, "hazards": output.hazard, "survival": output.survival, "risk": output.risk}
        for name, ours in survival.items():
            case.same(ours, f"{distill}:{name}")
        case.same(details["tier1_logits"][details["group_sizes"] > 0], "tier1_logits")
        case.same(details["cam"], "cam_logits")
        case.same(output.attention["tier1"], "attention1")
        tier2, tier1 = model.survival_loss(output, truth), model.extra_losses(output, truth)["tier1"]
        case.same(tier2, f"{distill}:loss_tier2")
        case.same(tier1, "loss_tier1")
        if distill == "AFS":
            (tier1 + tier2).mean().backward()
            case.same_gradients(model, partial(rename, names=dtfd_mil.NAMES))
