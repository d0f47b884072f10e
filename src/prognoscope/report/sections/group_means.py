"""t-tests between groups of patients, in both readings of what a paper compared by one."""

from typing import Any

import pandas as pd

from prognoscope.analysis.group_means import Reading, group_means_data
from prognoscope.report.number_words import number, p_text
from prognoscope.report.page_section import Absence, Plate, Section
from prognoscope.runs.read import Run

NOTE = (
    "A paper on CCL tests two groups of patients by a t-test and does not say of what; these are the two things that "
    "it can have compared. Both take the months until a patient was censored for months until death: whoever was "
    "followed for a short time looks as if he had died early, and the p-values are biased by it, up or down. They are "
    "here to be set beside published ones. Trust the log-rank test and the C-index, which know who was censored."
)
READINGS: dict[Reading, tuple[str, str]] = {
    "time_by_risk": ("times_by_risk", "Months of patients at high and at low predicted risk, cut as the curves above"),
    "risk_by_time": ("risks_by_time", "Predicted risk of patients below the median of all months, and of the others"),
}


def means_content(run: Run) -> dict[str, Any]:
    """How to read the figures, and the warning."""
    return {"note": NOTE}


def means_plates(run: Run) -> list[Plate | Absence]:
    """A figure of all methods for each reading."""
    found: list[Plate | Absence] = []
    absent: list[str] = []
    for reading, (stem, what) in READINGS.items():
        data, sentences = group_means_data(run, reading)
        absent += sentences
        if len(data):
            said = "; ".join(_said(row) for row in data.drop_duplicates("method").to_dict("records"))
            caption = f"{what}. Welch's t-test, which lets the groups differ in spread: {said}."
            found.append(Plate("group_means", stem, data, caption, f"{what}: {_means(data)}. {caption}"))
    return [*found, *(Absence(sentence) for sentence in dict.fromkeys(absent))]


def _said(row: dict[Any, Any]) -> str:
    return f"{row['method']} t = {number(row['welch_t'], 2)}, {p_text(row['welch_p'])}"


def _means(data: pd.DataFrame) -> str:
    return "; ".join(
        f"{row['method']}, {row['group'].lower()}, mean {row['mean']:.1f}" for row in data.to_dict("records")
    )


SECTION = Section("means", "Means of two groups", means_content, means_plates, knows_causes=False)
