"""Gray's test against a loop over its definition, permutations of the groups, the log-rank test, and its level."""

import numpy as np
import pytest
from scipy.stats import kstest

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.competing import aalen_johansen
from prognoscope.evaluation.gray import gray_test
from prognoscope.evaluation.group_tests import log_rank


def drawn(n: int, rng: np.random.Generator, *, ratio: float = 1.0, rounded: int = 8) -> tuple[np.ndarray, dict]:
    """Two groups; in the second the event of interest comes `ratio` times as fast, and censoring later."""
    group = rng.integers(0, 2, n)
    own, other = rng.exponential(20, n) / np.where(group == 1, ratio, 1), rng.exponential(30, n)
    end = rng.uniform(5, np.where(group == 1, 80, 40), n)
    time = np.minimum(np.minimum(own, other), end)
    told = {"time": np.ceil(time * 10**rounded) / 10**rounded, "event": own == time, "competing": other == time}
    return group, told


def surplus(group: np.ndarray, told: dict[str, np.ndarray]) -> float:
    """Events of the second group beyond its share, by the definition, time by time."""
    found = 0.0
    for moment in np.unique(told["time"][told["event"]]):
        at_risk, events = [], []
        for member in (group == 0, group == 1):
            own = {name: values[member] for name, values in told.items()}
            free, incidence = 1.0, 0.0
            for before in np.unique(own["time"][own["time"] < moment]):
                now, left = own["time"] == before, (own["time"] >= before).sum()
                incidence += free * (now & own["event"]).sum() / left
                free *= 1 - (now & (own["event"] | own["competing"])).sum() / left
            left = (own["time"] >= moment).sum()
            at_risk.append(left * (1 - incidence) / free if left else 0.0)
            events.append((own["event"] & (own["time"] == moment)).sum())
        found += events[1] - sum(events) * at_risk[1] / sum(at_risk)
    return found


def test_its_statistic_is_the_surplus_over_its_spread_under_permutations():
    rng = np.random.default_rng(0)
    group, told = drawn(80, rng, ratio=1.8, rounded=0)
    end = rng.uniform(5, 60, 80)  # permuting asks that both groups are censored alike
    told = {
        "time": np.minimum(told["time"], end),
        **{n: told[n] & (told["time"] < end) for n in ("event", "competing")},
    }
    draws = [surplus(rng.permutation(group), told) for _ in range(200)]
    found = gray_test(group, **told)
    assert found.statistic == pytest.approx((surplus(group, told) / np.std(draws)) ** 2, rel=0.2)
    assert 0 < found.p < 0.2


def test_its_p_is_uniform_where_groups_are_alike_though_censored_otherwise():
    rng = np.random.default_rng(1)
    found = [gray_test(group, **told).p for group, told in (drawn(120, rng) for _ in range(500))]
    assert kstest(found, "uniform").pvalue > 0.05
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.02)


def test_it_sees_incidence_where_a_log_rank_test_of_the_cause_sees_nothing():
    """Hazards of the cause are alike; in one group others die first, so that the event comes less often."""
    rng = np.random.default_rng(2)
    group = np.repeat([0, 1], 200)
    own, other = rng.exponential(30, 400), rng.exponential(np.where(group == 1, 8, 200))
    time = np.minimum(np.minimum(own, other), 15)
    told = {"time": time, "event": own == time, "competing": other == time}
    assert log_rank(group, time=told["time"], event=told["event"]).p > 0.05
    assert gray_test(group, **told).p < 1e-3
    late = [aalen_johansen(**{n: v[group == g] for n, v in told.items()}).incidence[-1] for g in (0, 1)]
    assert late[0] > 1.5 * late[1]


@pytest.mark.parametrize("groups", [2, 4])
def test_without_competing_events_it_is_nearly_the_log_rank_test(groups):
    rng = np.random.default_rng(groups)
    member, told = rng.integers(0, groups, 400), drawn(400, rng, rounded=0)[1]
    told["competing"][:] = False
    known = log_rank(member, time=told["time"], event=told["event"])
    assert gray_test(member, **told).p == pytest.approx(known.p, abs=0.02)


def test_names_of_groups_do_not_matter_and_what_cannot_be_tested_is_said():
    group, told = drawn(60, np.random.default_rng(3))
    found = gray_test(group, **told)
    assert gray_test(np.where(group == 1, "a", "b"), **told).statistic == pytest.approx(found.statistic)
    with pytest.raises(MetricError, match="in one group"):
        gray_test(np.zeros(60), **told)
    with pytest.raises(MetricError, match="None of the 60 patients had an event"):
        gray_test(group, **told | {"event": np.zeros(60, dtype=bool)})
    with pytest.raises(MetricError, match="and a competing one"):
        gray_test(group, **told | {"competing": told["event"]})
    apart = {"time": np.array([1.0, 2, 3, 4]), "event": np.ones(4, dtype=bool), "competing": np.zeros(4, dtype=bool)}
    with pytest.raises(MetricError, match="cannot be told apart"):
        gray_test(np.array([0, 0, 1, 1]), **apart | {"event": np.array([False, False, True, True])})
