"""Goldens of the discrete-time likelihood and of the time bins."""

import numpy as np
import torch

from prognoscope.core.losses import discrete_nll, survival_cross_entropy
from prognoscope.core.outcome import TimeBins

from .case import Case, target


def check_loss_nll_surv(case: Case) -> None:
    """Values and gradients for each alpha and reduction: of the likelihood, with the released codes' clamp and, but for
    extremes, without; and of the cross-entropy of MCAT's family.
    """
    truth = target(case["in:label"], case["in:censorship"])
    reductions = {"mean": torch.mean, "sum": torch.sum, "per_sample": torch.clone}
    for clamp in [True] if case.meta["extreme"] else [True, False]:
        for name in [name for name in case.named("out") if name.startswith("nll_")]:
            reduction, alpha = name.removeprefix("nll_").split("_alpha")
            logits = case["in:logits"].requires_grad_()
            loss = reductions[reduction](discrete_nll(logits, truth, alpha=float(alpha), clamp=clamp))
            case.same(loss, name, atol=1e-5 * max(1.0, case[f"out:{name}"].abs().max().item()))
            if f"out:grad_{name}" in case.arrays:
                loss.backward()
                golden = case[f"out:grad_{name}"]
                assert (logits.grad - golden).abs().max() <= 1e-4 * golden.abs().max(), f"gradient of {name}"
    for name in [name for name in case.named("out") if name.startswith("ce_")]:
        reduction, alpha = name.removeprefix("ce_").split("_alpha")
        logits = case["in:logits"].requires_grad_()
        loss = reductions[reduction](survival_cross_entropy(logits, truth, alpha=float(alpha)))
        case.same(loss, name)
        if f"out:grad_{name}" in case.arrays:
            loss.backward()
            golden = case[f"out:grad_{name}"]
            assert (logits.grad - golden).abs().max() <= 1e-4 * golden.abs().max(), f"gradient of {name}"
    logits = case["in:logits"].detach()
    survival = (1 - logits.sigmoid()).cumprod(dim=1)
    for name, ours in {"hazards": logits.sigmoid(), "survival": survival, "risk": -survival.sum(dim=1)}.items():
        case.same(ours, name)


def check_loss_time_bins(case: Case) -> None:
    """Edges, labels and strata of every table in the file, to the last bit, by the published rule."""
    for name in sorted({key.removesuffix("_time") for key in case.named("in") if key.endswith("_time")}):
        time = case[f"in:{name}_time"].numpy()
        censorship = case[f"in:{name}_censorship"].numpy()
        edges, labels = case[f"out:{name}_edges"].numpy(), case[f"out:{name}_label"].numpy()
        bins = TimeBins.fit(time, censorship == 0, n_bins=len(edges) - 1, closed_ends=True)
        np.testing.assert_allclose(bins.edges, edges, rtol=1e-15, err_msg=name)
        quantiles = case[f"out:{name}_quantiles_uncensored"].numpy()
        np.testing.assert_allclose(bins.edges[1:-1], quantiles[1:-1], rtol=1e-15, err_msg=name)
        ours = bins.label(time)
        np.testing.assert_array_equal(ours, labels, err_msg=name)
        np.testing.assert_array_equal(2 * ours + censorship, case[f"out:{name}_joint_label"].numpy(), err_msg=name)
        open_ended = TimeBins.fit(time, censorship == 0, n_bins=len(edges) - 1)
        np.testing.assert_array_equal(open_ended.label(time), labels, err_msg=name)
