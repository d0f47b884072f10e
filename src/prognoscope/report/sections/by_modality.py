"""How well methods rank patients who lack a modality."""

from typing import Any

from prognoscope.analysis.by_modality import NOTHING
from prognoscope.report.number_words import interval, number
from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run

HEADER = ("Method", "Patients lack", "Patients", "Events", "C-index", "95 % interval")
MEANING = (
    "Of the patients whom each method was tested on, by what they lack of what any method uses. The C-index is the "
    "mean over the folds in which two of a group can be compared. Groups are of different patients: compare methods "
    "within a group, not one group with another."
)


def modality_content(run: Run) -> dict[str, Any]:
    """Meaning and rows (the header first); {} where nobody lacks anything."""
    table = run.by_modality
    rows = [
        (
            row["method"],
            row["lacks"],
            number(row["patients"], 0),
            number(row["events"], 0),
            number(row["c_index"]),
            interval(row["low"], row["high"]),
        )
        for row in table.sort_values("lacks", key=lambda lacks: lacks != NOTHING, kind="stable").to_dict("records")
    ]
    return {"meaning": MEANING, "rows": [HEADER, *rows]} if rows else {}


SECTION = Section("modalities", "By what patients lack", modality_content)
