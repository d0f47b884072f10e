"""The baseline hazard beside a Cox-trained network: a level for ratios that have none."""

import torch
from torch.testing import assert_close

from prognoscope.core.batch import Output, Target
from prognoscope.models.layers.cox_head import BaselineHazard, proportional_logits


def outcomes(n=4000, ratio=None):
    """Exponential times at rate 0.5 times the ratio, in bins of length 0.5, censored at 2, the end of the last bin."""
    generator = torch.Generator().manual_seed(0)
    ratio = torch.ones(n) if ratio is None else ratio
    time = torch.empty(n).exponential_(1.0, generator=generator) / (0.5 * ratio)
    event, time = time < 2, time.clamp(max=1.999)
    return Target((time / 0.5).long(), event, time)


def test_survival_is_the_baseline_to_the_power_of_the_ratio():
    log_ratio, steps = torch.tensor([-1.0, 0.0, 2.0]), torch.tensor([0.1, 0.5, 0.0, 0.2])
    survival = Output(proportional_logits(log_ratio, steps)).survival
    assert_close(survival, torch.exp(-steps.cumsum(0) * log_ratio.exp()[:, None]))


def test_ratios_of_any_size_give_finite_logits():
    assert proportional_logits(torch.tensor([-200.0, 200.0]), torch.tensor([0.0, 1.0])).isfinite().all()


def test_the_baseline_finds_the_hazard_whatever_level_the_ratios_have():
    log_ratio = 0.5 * torch.randn(4000, generator=torch.Generator().manual_seed(1))
    target = outcomes(ratio=log_ratio.exp())
    baseline = BaselineHazard(4)
    baseline.start(target)
    for _ in range(8):  # epochs of ten steps; the network says everybody's ratio ten times as large
        for rows in torch.arange(4000).split(400):
            its = target.take(rows)
            baseline.follow(baseline.told(log_ratio[rows] + torch.tensor(10.0).log(), its))
    truth = torch.exp(-0.25 * torch.arange(1, 5) * log_ratio.exp()[:, None])
    found = Output(baseline(log_ratio + torch.tensor(10.0).log())).survival
    assert (found - truth)[:, :3].abs().mean() < 0.02  # in the last bin, nobody leaves before its end


def test_before_the_first_step_survival_is_the_life_table_of_the_training_patients():
    baseline = BaselineHazard(4)
    baseline.start(outcomes())
    survival = Output(baseline(torch.zeros(1))).survival[0]
    assert_close(survival[:3], torch.exp(-0.25 * torch.arange(1, 4)), atol=0.02, rtol=0)


def test_a_bin_without_anybody_has_a_hazard_of_almost_zero():
    baseline = BaselineHazard(4)
    baseline.start(Target(torch.tensor([0, 0]), torch.tensor([True, False]), torch.ones(2)))
    assert baseline(torch.zeros(1))[0, 1:].sigmoid().max() < 1e-6
