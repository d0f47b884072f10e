"""t-tests of months and of risks between two groups, which take censored months for deaths; Zhou et al. (CCL), Fig. 7.

The paper gives t and p of "two groups" and not of what; these are the two things that it can have meant.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.checks import checked_risk, checked_values
from prognoscope.evaluation.group_tests import TestResult


def t_test_time_by_risk(
    is_high: Bool[np.ndarray, " P"], *, time: Float[np.ndarray, " P"], welch: bool = False
) -> TestResult:
    """Student's t-test of observed months between risk groups, t > 0 where the low-risk group lives longer.

    It takes censored months for deaths: show it only beside a log-rank test.

    Raises:
        MetricError: A group has fewer than two patients, or all months within the groups are equal.
    """
    time = checked_values(time, len(is_high), "time")
    return _t_test(time[~is_high], time[is_high], welch, "low and high risk")


def t_test_risk_by_time(
    risk: Float[np.ndarray, " P"], *, time: Float[np.ndarray, " P"], welch: bool = False
) -> TestResult:
    """Student's t-test of risk between patients below the median time and the rest, t > 0 where risk is as it should.

    It takes censored months for deaths: show it only beside a C-index.

    Raises:
        MetricError: A group has fewer than two patients, or all risks within the groups are equal.
    """
    risk = checked_risk(risk, len(time))
    is_early = time < np.percentile(time, 50)
    return _t_test(risk[is_early], risk[~is_early], welch, "short and long times")


def _t_test(a: Float[np.ndarray, " A"], b: Float[np.ndarray, " B"], welch: bool, what: str) -> TestResult:
    if min(len(a), len(b)) < 2:
        raise MetricError(f"A t-test needs two patients in each group; {what} have {len(a)} and {len(b)}.")
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        raise MetricError(f"Within {what} all values are equal, so a t-test is not defined.")
    from scipy.stats import ttest_ind  # slow to import

    result: Any = ttest_ind(a, b, equal_var=not welch)  # its stub knows no fields
    return TestResult(float(result.statistic), float(result.pvalue))
