"""Survival of patients at high and at low predicted risk, method by method."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from prognoscope.analysis.figure_data import risk_hazard_ratio, survival_data
from prognoscope.analysis.risk_cuts import CutFrom, cut_from, log_rank_p, score_of
from prognoscope.core.errors import MetricError
from prognoscope.core.words import listed
from prognoscope.report.number_words import interval, number, p_text
from prognoscope.report.page_section import Absence, Plate, Section
from prognoscope.report.style import stems_of
from prognoscope.runs.read import Run

HOW = "Bands: 95 % log-log intervals. Ticks: patients censored."
CUTS = {
    "train": "Held-out patients are at high risk at or above the median risk of the training part of their fold, by "
    "the same model: the cut knows none of the patients whom it divides, so the groups need not be halves.",
    "pooled": "All held-out patients are cut into two halves at the median of their predicted risk (high: at or "
    "above). A cut taken from the predictions it is tested on flatters a little.",
}
BY_SURVIVAL = (
    "Patients are put into groups by their predicted survival at the middle time, the end of the second of four bins, "
    "as in G-HANet: whoever is less likely to outlive it is at higher risk, and what is said of risks is meant of that."
)
OTHERWISE: Mapping[str, tuple[CutFrom, str]] = {
    "train": ("pooled", "the median of all held-out risks"),
    "pooled": ("fold", "each fold's own median"),
}


def survival_content(run: Run) -> dict[str, Any]:
    """How to read the figures."""
    return {"note": f"{note_on_cuts(run)} {HOW}"}


def note_on_cuts(run: Run) -> str:
    """How patients were put into groups."""
    found: dict[str, list[str]] = {}
    for name in run.methods:
        found.setdefault(cut_from(run, name), []).append(name)
    if len(found) < 2:
        notes = [CUTS[cut] for cut in found]
    else:
        notes = [f"{listed(names, 40)}: {CUTS[cut]}" for cut, names in found.items()]
    if "pooled" in found and run.provenance.cut_from != "pooled":
        notes.append(
            "The run kept no risks of training patients to take a cut from, as it was made by an earlier version."
        )
    by_survival = [BY_SURVIVAL] if score_of(run) == "survival" else []
    return " ".join([*by_survival, *notes])


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
    other, words = OTHERWISE[cut_from(run, name)]
    try:
        caption += f" Cut at {words} instead, log-rank {p_text(log_rank_p(run, name, other))}."
    except MetricError:
        caption += f" Cut at {words}, one group is empty."
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


SECTION = Section("survival", "Survival by risk", survival_content, survival_plates, knows_causes=False)
