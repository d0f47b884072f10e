"""Net benefit against counting by hand."""

import numpy as np
import pytest

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.curves import kaplan_meier
from prognoscope.evaluation.decision_curve import net_benefit

THRESHOLDS = np.array([0.0, 0.2, 0.5, 0.75])


def test_without_censoring_it_is_true_less_weighted_false_positives():
    time = np.array([2.0, 4.0, 6.0, 30.0, 40.0, 50.0])
    event = np.ones(6, bool)
    chance = np.array([0.9, 0.6, 0.1, 0.5, 0.3, 0.0])
    found = net_benefit(chance, THRESHOLDS, time=time, event=event, horizon=12.0)
    has_it = time <= 12
    by_hand = [
        ((chance >= p) & has_it).sum() / 6 - ((chance >= p) & ~has_it).sum() / 6 * p / (1 - p) for p in THRESHOLDS
    ]
    np.testing.assert_allclose(found, by_hand)


def test_acting_on_all_and_a_chance_that_knows_everything():
    time, event = np.array([3.0, 5.0, 8.0, 20.0, 25.0]), np.array([True, False, True, False, True])
    had_it = 1 - kaplan_meier(time=time, event=event).at(np.array([10.0]))[0]
    everybody = net_benefit(np.ones(5), THRESHOLDS, time=time, event=event, horizon=10.0)
    np.testing.assert_allclose(everybody, had_it - (1 - had_it) * THRESHOLDS / (1 - THRESHOLDS))
    nobody = net_benefit(np.zeros(5), THRESHOLDS[1:], time=time, event=event, horizon=10.0)
    assert nobody.tolist() == [0, 0, 0]
    sure = np.array([1.0, 0, 1, 0, 0])
    np.testing.assert_allclose(net_benefit(sure, THRESHOLDS[1:], time=time, event=event, horizon=10.0), 2 / 5)


def test_what_cannot_be_decided_is_refused():
    time, event = np.array([3.0, 5.0]), np.array([True, False])
    with pytest.raises(MetricError, match="Nobody was followed until 9 months"):
        net_benefit(np.ones(2), THRESHOLDS, time=time, event=event, horizon=9.0)
    with pytest.raises(MetricError, match="must lie in"):
        net_benefit(np.array([0.5, 1.5]), THRESHOLDS, time=time, event=event, horizon=4.0)
    with pytest.raises(MetricError, match="Thresholds"):
        net_benefit(np.ones(2), np.array([1.0]), time=time, event=event, horizon=4.0)
