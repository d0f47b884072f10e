"""Outcomes, time bins and predictions refuse what they cannot mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import CohortError, InputError
from prognoscope.core.outcome import Outcome, Prediction, TimeBins


@given(st.lists(st.floats(0.01, 300), min_size=8, max_size=60, unique=True), st.integers(2, 5))
def test_every_time_lies_in_its_bin_and_events_are_spread_evenly(times, n_bins):
    time = np.array(times)
    bins = TimeBins.fit(time, np.ones(len(time), dtype=bool), n_bins=n_bins)
    label = bins.label(time)
    assert ((bins.edges[label] <= time) & (time < bins.edges[label + 1])).all()
    counts = np.bincount(label, minlength=n_bins)
    assert counts.max() - counts.min() <= 2


def test_closed_ends_follow_the_published_rule_and_later_times_fall_into_the_last_bin():
    time, event = np.array([1.0, 2, 3, 4, 5, 9]), np.array([True] * 5 + [False])
    bins = TimeBins.fit(time, event, closed_ends=True)
    np.testing.assert_allclose(bins.edges, [1 - 1e-6, 2, 3, 4, 9 + 1e-6])
    assert bins.label(np.array([0.0, 2.0, 100.0])).tolist() == [0, 1, 3]


def test_bins_need_events_at_distinct_times():
    with pytest.raises(CohortError, match="No event was observed"):
        TimeBins.fit(np.array([1.0, 2.0]), np.array([False, False]))
    with pytest.raises(CohortError, match="Choose fewer bins"):
        TimeBins.fit(np.array([1.0, 1.0, 2.0]), np.array([True, True, True]))


def test_impossible_values_are_named():
    with pytest.raises(CohortError, match="1 patients is missing, infinite or negative: b"):
        Outcome(("a", "b"), np.array([1.0, np.nan]), np.array([True, False]))
    with pytest.raises(InputError, match="not a finite number: a"):
        Prediction(("a",), np.array([np.nan]), np.ones((1, 4)))
