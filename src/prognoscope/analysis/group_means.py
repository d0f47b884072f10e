"""Months of the two risk groups, and risks of the two halves by time, with their t-tests: what a box plot shows."""

from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.analysis.risk_cuts import high_risk, need_two_states
from prognoscope.core.errors import MetricError
from prognoscope.evaluation.mean_tests import t_test_risk_by_time, t_test_time_by_risk
from prognoscope.runs.read import Run

Reading = Literal["time_by_risk", "risk_by_time"]
QUANTILES = {"low": 0.05, "first_quartile": 0.25, "median": 0.5, "third_quartile": 0.75, "high": 0.95}


def group_means_data(run: Run, reading: Reading) -> tuple[pd.DataFrame, list[str]]:
    """Two rows a method, one a group, and a sentence for each method that has no test.

    Args:
        reading: "time_by_risk": the months until event or censoring of patients at high and at low predicted risk, cut
            as the Kaplan-Meier curves are; "risk_by_time": the risk, in its own standard deviations from its mean, of
            patients below the median time and of the others.

    Returns:
        method, optimistic, reading, group, patients, events, mean, the quantiles of `QUANTILES`, t and p of Student's
        test, welch_t and welch_p of Welch's. t > 0 where risk is as it should be.
    """
    parts, absent = [], []
    for method in run.methods:
        try:
            parts.append(_of_method(run, method, reading))
        except MetricError as cause:
            absent.append(f"{method}: no t-test. {cause}")
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()), absent


def _of_method(run: Run, method: str, reading: Reading) -> pd.DataFrame:
    need_two_states(run)
    outcome, is_high = run.methods[method].outcome, high_risk(run, method)
    risk = run.methods[method].predictions["risk"].to_numpy(float)
    if reading == "time_by_risk":
        values, groups = outcome.time, {"High risk": is_high, "Low risk": ~is_high}
        student, welch = (t_test_time_by_risk(is_high, time=outcome.time, welch=welch) for welch in (False, True))
    else:
        student, welch = (t_test_risk_by_time(risk, time=outcome.time, welch=welch) for welch in (False, True))
        values, is_early = (risk - risk.mean()) / risk.std(), outcome.time < np.percentile(outcome.time, 50)
        groups = {"Below the median time": is_early, "At or above it": ~is_early}
    tests = {"t": student.statistic, "p": student.p, "welch_t": welch.statistic, "welch_p": welch.p}
    about = {"method": method, "optimistic": method in run.optimistic, "reading": reading}
    rows = [
        {**about, "group": group, **_spread(values[of]), "events": int(outcome.event[of].sum()), **tests}
        for group, of in groups.items()
    ]
    return pd.DataFrame(rows)


def _spread(values: Float[np.ndarray, " P"]) -> dict[str, float]:
    quantiles = np.quantile(values.astype(float), list(QUANTILES.values()))
    return {"patients": len(values), "mean": float(values.mean()), **dict(zip(QUANTILES, quantiles, strict=True))}
