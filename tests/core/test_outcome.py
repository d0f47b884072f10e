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
    time, event = np.array([1.0, 1.0, 1.0, 2.0]), np.array([True] * 4)
    with pytest.raises(CohortError, match="4 events at 2 distinct times do not give 4 .* Set training.n_bins to 2"):
        TimeBins.fit(time, event)
    assert len(TimeBins.fit(time, event, n_bins=2)) == 2


@given(time=st.lists(st.integers(1, 6), min_size=1, max_size=30), n_bins=st.integers(2, 8), closed=st.booleans())
def test_the_most_bins_can_be_fitted_and_one_more_cannot(time, n_bins, closed):
    time = np.array(time, dtype=float)
    event = np.arange(len(time)) % 3 > 0
    most = TimeBins.most(time, event, n_bins=n_bins, closed_ends=closed)
    if most > 1:
        assert len(TimeBins.fit(time, event, n_bins=most, closed_ends=closed)) == most
    if most < n_bins:
        with pytest.raises(CohortError, match="No event" if not event.any() else "do not give"):
            TimeBins.fit(time, event, n_bins=most + 1 if most else n_bins, closed_ends=closed)


def test_survival_is_told_at_the_ends_of_bins_and_of_the_open_one_at_the_last_training_time():
    assert TimeBins(np.array([-np.inf, 2.0, 5.0, np.inf])).told_at(9.0).tolist() == [2.0, 5.0, 9.0]
    assert TimeBins(np.array([0.5, 2.0, 5.0, 8.0])).told_at(9.0).tolist() == [2.0, 5.0, 8.0]
    assert TimeBins(np.array([-np.inf, 2.0, np.inf])).told_at(2.0)[1] > 2.0


def test_impossible_values_are_named():
    with pytest.raises(CohortError, match="1 patients is missing, infinite or negative: b"):
        Outcome(("a", "b"), np.array([1.0, np.nan]), np.array([True, False]))
    with pytest.raises(InputError, match="not a finite number: a"):
        Prediction(("a",), np.array([np.nan]), np.ones((1, 4)))
    with pytest.raises(InputError, match="^2 times and 2 events are given for 1 patients"):
        Outcome(("a",), np.array([1.0, 2.0]), np.array([True, False]))
    with pytest.raises(InputError, match="^2 risks and 2 curves are given for 1 patients"):
        Prediction(("a",), np.ones(2), np.ones((2, 4)))
