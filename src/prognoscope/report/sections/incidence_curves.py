"""Cumulative incidence at high and at low predicted risk, method by method, where other events compete."""

from typing import Any

from prognoscope.analysis.figure_data import incidence_data
from prognoscope.core.errors import MetricError
from prognoscope.report.number_words import interval, number, p_text
from prognoscope.report.page_section import Absence, Plate, Section
from prognoscope.report.sections.survival_curves import note_on_cuts
from prognoscope.report.style import stems_of
from prognoscope.runs.read import Run

HOW = (
    "Curves: the chance that the event of interest has come, before any other, by Aalen and Johansen; bands: 95 %, by "
    "log(-log). One minus a Kaplan-Meier curve with the other events as censored would be above them, and is nobody's "
    "chance. Gray's test: that both groups have the same incidence at all times. Ratio and its p: subdistribution "
    "hazards of the two groups, after Fine and Gray, with a robust interval. "
    "Left out, as they know no competing events: what risks add to covariates, t-tests of groups, AUC over "
    "time, decision curves."
)


def incidence_content(run: Run) -> dict[str, Any]:
    """How to read the figures; nothing where no event competes."""
    return {"note": f"{note_on_cuts(run)} {HOW}"} if run.has_competing else {}


def incidence_plates(run: Run) -> list[Plate | Absence]:
    """A figure a method."""
    return [_incidence(run, name, stem) for name, stem in stems_of(run.methods).items()] if run.has_competing else []


def _incidence(run: Run, name: str, stem: str) -> Plate | Absence:
    try:
        data = incidence_data(run, name)
    except MetricError as cause:
        return Absence(f"{name}: no curves. {cause}")
    first = data.iloc[0]
    ratio = f"{number(first['ratio'], 2)} ({interval(first['ratio_low'], first['ratio_high'], 2)})"
    caption = f"Subdistribution hazard ratio of high to low risk {ratio}, {p_text(first['p'])}."
    ends = data.groupby("group", sort=False)["incidence"].last()
    told = [f"{str(group).lower()} {100 * value:.0f} %" for group, value in ends.items()]
    gray = f"Gray's test {p_text(first['gray_p'])}"
    alt = f"{name}: cumulative incidence at the end of follow-up: {' and '.join(told)}; {gray}. {caption}"
    return Plate("incidence", f"incidence_{stem}", data, caption, alt)


SECTION = Section("incidence", "Incidence by risk", incidence_content, incidence_plates)
