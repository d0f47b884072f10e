"""What the methods learn and compute, as the report tells it."""

from typing import Any

from prognoscope.analysis.cost_table import computed
from prognoscope.report.number_words import DASH
from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run

HEADER = (
    "Method",
    "Parameters",
    "GFLOP a patient, prediction",
    "GFLOP a patient and epoch, training",
    "TFLOP, training",
)
MEANING = (
    "Means over the folds. Parameters are those of networks: what is solved at once has a dash. Operations of products "
    "only, of the patient with the median bag of those trained on; "
    "training is forward and backward. The last column is of all patients and epochs of a fold, a teacher's too. A "
    "method that is taught counts its teacher's parameters beside its own. Seconds and memory differ between equal "
    "runs, so they are in costs.csv and not on this page."
)


def cost_content(run: Run) -> dict[str, Any]:
    """Meaning and rows (the header first); {} for a run of an older version."""
    table = computed(run)
    rows = [(name, *_cells(row)) for name, row in table.iterrows() if name in run.methods]
    return {"meaning": MEANING, "rows": [HEADER, *rows]} if rows else {}


def _cells(row: Any) -> tuple[str, ...]:
    own, taught = row["parameters"], row["teacher_parameters"]
    learned = (f"{own:,.0f}" if own else DASH) + (f" + {taught:,.0f}" if taught else "")
    numbers = (row["gflop_inference"], row["gflop_training"], row["tflop_training_total"])
    return (learned, *(f"{value:.3g}" if value > 0 else DASH for value in numbers))


SECTION = Section("costs", "What the methods cost", cost_content)
