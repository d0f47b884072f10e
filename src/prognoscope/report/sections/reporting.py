"""The checklist of TRIPOD+AI, and where it lies as a file."""

from typing import Any

from prognoscope.report.page_section import Section
from prognoscope.report.tripod import NOT_TOLD, tripod_items
from prognoscope.runs.read import Run


def reporting_content(run: Run) -> dict[str, Any]:
    """Rows as text, how many are told, and the files."""
    items = tripod_items(run)
    rows = [("Item", "Topic", "Asks for", "Answer")]
    rows += [(item.number, item.topic, item.asks, item.answer) for item in items]
    told = sum(item.answer != NOT_TOLD for item in items)
    return {"rows": rows, "told": told, "files": [run.files.tripod.name, run.files.model_card.name]}


SECTION = Section("reporting", "Checklist", reporting_content)
