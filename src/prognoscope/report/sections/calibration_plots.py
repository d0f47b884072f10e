"""Predicted beside observed survival, method by method."""

from typing import Any

from prognoscope.analysis.figure_data import calibration_data, calibration_horizon
from prognoscope.core.errors import InputError, MetricError
from prognoscope.core.words import count
from prognoscope.report.number_words import number
from prognoscope.report.page_section import Absence, Plate, Section
from prognoscope.report.style import stems_of
from prognoscope.report.table_text import misfits
from prognoscope.runs.read import Run

NOTE = (
    "Patients in groups of similar predicted survival: what was predicted beside what was seen, by Kaplan-Meier, with "
    "95 % intervals; where other events compete, by Aalen and Johansen. A well-calibrated method lies on the diagonal."
)


def calibration_content(run: Run) -> dict[str, Any]:
    """How to read the figures."""
    return {"note": NOTE}


def calibration_plates(run: Run) -> list[Plate | Absence]:
    """A figure a method, all at one horizon."""
    horizon = calibration_horizon(run)
    return [_calibration(run, name, stem, horizon) for name, stem in stems_of(run.methods).items()]


def _calibration(run: Run, name: str, stem: str, horizon: float) -> Plate | Absence:
    try:
        data = calibration_data(run, name, horizon)
    except (InputError, MetricError) as cause:
        return Absence(f"{name}: no calibration. {cause}")
    worst = (data["predicted"] - data["observed"]).abs().max()
    caption = f"{count(len(data), 'group')}, furthest from the diagonal by {number(worst, 2)}."
    if unseen := int(data["observed"].isna().sum()):
        caption += f" Not drawn: {count(unseen, 'group')} of which nobody was followed until then."
    if often := misfits(run, name):
        caption += f" D-calibration p: {often}."
    pairs = data[["predicted", "observed"]].to_numpy().tolist()
    points = [f"{number(predicted, 2)} predicted, {number(observed, 2)} observed" for predicted, observed in pairs]
    alt = f"Calibration of {name} at {horizon:.4g} months. {caption} {'; '.join(points)}."
    return Plate("calibration", f"calibration_{stem}", data, caption, alt)


SECTION = Section("calibration", "Calibration", calibration_content, calibration_plates)
