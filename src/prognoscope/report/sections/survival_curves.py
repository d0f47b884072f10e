"""Survival of patients at high and at low predicted risk, method by method."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from prognoscope.analysis.figure_data import log_rank_p_within_folds, risk_hazard_ratio, survival_data
from prognoscope.core.errors import MetricError
from prognoscope.report.number_words import interval, number, p_text
from prognoscope.report.page_section import Absence, Plate, Section
from prognoscope.report.style import stems_of
from prognoscope.runs.read import Run

NOTE = (
    "All held-out patients are cut into two halves at the median of their predicted risk (high: at or above). "
    "A cut taken from the predictions it is tested on flatters a little. Bands: 95 % log-log intervals. Ticks: "
    "patients censored."
)


def survival_content(run: Run) -> dict[str, Any]:
    """How to read the figures."""
    return {"note": NOTE}


def survival_plates(run: Run) -> list[Plate | Absence]:
    """A figure a method."""
    return [_survival(run, name, stem) for name, stem in stems_of(run.methods).items()]


def _survival(run: Run, name: str, stem: str) -> Plate | Absence:
    try:
        data = survival_data(run, name)
    except MetricError as cause:
        return Absence(f"{name}: no curves. {cause}")
    firsts = data.drop_duplicates("group").to_dict("records")
    medians = [f"{row['group'].lower()} {_median(row)}" for row in firsts]
    caption = f"Median survival with 95 % interval: {'; '.join(medians)}."
    try:
        ratio = risk_hazard_ratio(run, name)
        caption += f" Hazard ratio {number(ratio.value, 2)} ({interval(ratio.low, ratio.high, 2)})."
    except MetricError:
        caption += " One group has all the events, so there is no hazard ratio."
    try:
        caption += f" Cut at each fold's own median instead, log-rank {p_text(log_rank_p_within_folds(run, name))}."
    except MetricError:
        caption += " Cut at each fold's own median, one group is empty."
    sizes = [f"{row['patients']} patients at {row['group'].lower()}" for row in firsts]
    p = p_text(data["log_rank_p"].iloc[0])
    alt = f"{name}: Kaplan-Meier curves of {' and '.join(sizes)}; log-rank {p}. {caption}"
    return Plate("survival", f"survival_{stem}", data, caption, alt)


def _median(row: Mapping[Hashable, Any]) -> str:
    if not np.isfinite(row["median"]):
        return "not reached"
    low, high = (
        number(end, 1) if np.isfinite(end) else "not reached" for end in (row["median_low"], row["median_high"])
    )
    return f"{number(row['median'], 1)} months ({low} to {high})"


SECTION = Section("survival", "Survival by risk", survival_content, survival_plates)
