"""What was read as a covariate: number or category, its values, what was missing, filled or left out."""

from typing import Any

from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run

COLUMNS = ("covariate", "read as", "values", "missing", "filled with", "used")


def covariate_content(run: Run) -> dict[str, Any]:
    """Rows as text, the first with the names of the columns; empty where the run has no covariates."""
    told = run.provenance.covariates
    if not told:
        return {}
    columns = [name for name in COLUMNS if name in told[0]]
    return {
        "rows": [[name.capitalize() for name in columns], *[[row.get(name, "") for name in columns] for row in told]]
    }


SECTION = Section("covariates", "Covariates", covariate_content)
