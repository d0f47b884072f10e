"""The checklist of TRIPOD+AI and the model card, and where they lie as files."""

from typing import Any

from prognoscope.report.page_section import Section
from prognoscope.report.sections.model_card import card_parts
from prognoscope.report.sections.tripod import NOT_TOLD, tripod_items
from prognoscope.runs.read import Run


def reporting_content(run: Run) -> dict[str, Any]:
    """The checklist's rows as text and how many are told, the parts of the card, and the files."""
    items = tripod_items(run)
    rows = [("Item", "Topic", "Asks for", "Answer")]
    rows += [(item.number, item.topic, item.asks, item.answer) for item in items]
    told = sum(item.answer != NOT_TOLD for item in items)
    files = [run.files.tripod.name, run.files.model_card.name]
    return {"rows": rows, "told": told, "files": files, "card": card_parts(run)}


SECTION = Section("reporting", "Checklist and card", reporting_content)
