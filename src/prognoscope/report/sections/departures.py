"""What methods are that their papers' are not, where a run follows a paper."""

from typing import Any

from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run

AS_AUTHORS = "Nothing: it was trained and chosen as its authors did it."
SAME_SETTINGS = "No setting."


def departure_content(run: Run) -> dict[str, Any]:
    """A row a method: the settings that are not its paper's, and what its network does otherwise."""
    known = run.provenance
    if not known.departures:
        return {}
    is_paper = run.protocol == "paper"
    rows = []
    for method in run.methods:
        settings, network = known.other_settings.get(method, ()), known.departures.get(method, ())
        nothing = AS_AUTHORS if is_paper and not network else SAME_SETTINGS
        rows.append({"method": method, "settings": settings or (nothing,), "network": network})
    return {"rows": rows}


SECTION = Section("departures", "Not as in the papers", departure_content)
