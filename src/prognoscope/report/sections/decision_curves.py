"""What acting on each method's predictions is worth."""

from typing import Any

import numpy as np

from prognoscope.analysis.decision_data import decision_data, useful_range
from prognoscope.analysis.figure_data import calibration_horizon
from prognoscope.analysis.standings import MAIN, ranking
from prognoscope.report.page_section import Absence, Plate, Section
from prognoscope.runs.read import Run

SHOWN = 8  # methods, those with the highest C-index
NOTE = (
    "If a patient is treated, followed more closely or put into a trial from some chance of an event on, the "
    "threshold, then net benefit counts those rightly chosen, less those wrongly chosen, who weigh threshold / (1 "
    "\u2212 threshold) each. A method is of use where its line is above both treating all and treating none. Who has "
    "had the event by then is told by Kaplan-Meier, so censored patients count as long as they were seen."
)


def decision_content(run: Run) -> dict[str, Any]:
    """How to read the figure."""
    return {"note": NOTE}


def decision_plates(run: Run) -> list[Plate | Absence]:
    """One figure of the leading methods."""
    horizon = calibration_horizon(run)
    if not np.isfinite(horizon):
        return [Absence("No event was observed, so there is no decision curve.")]
    order = [*ranking(run, MAIN), *(name for name in run.methods if run.summary(name, MAIN) is None)]
    data, absent = decision_data(run, order[:SHOWN], horizon)
    found: list[Plate | Absence] = [Absence(sentence) for sentence in absent]
    if data.empty:
        return found
    said = [_useful(name, useful_range(data, name)) for name in order[:SHOWN] if name in set(data["method"])]
    caption = f"Chance of an event within {horizon:.4g} months, the median time of the events. {' '.join(said)}"
    if len(order) > SHOWN:
        caption += f" The {SHOWN} methods with the highest C-index are shown."
    alt = f"Decision curve at {horizon:.4g} months. {' '.join(said)}"
    return [Plate("decision_curve", "decision_curve", data, caption, alt), *found]


def _useful(name: str, span: tuple[float, float] | None) -> str:
    if span is None:
        return f"{name}: nowhere above both."
    low, high = (f"{100 * end:.0f}" for end in span)
    return f"{name}: above both at {low} %." if low == high else f"{name}: above both from {low} to {high} %."


SECTION = Section("decisions", "Decision curve", decision_content, decision_plates, knows_causes=False)
