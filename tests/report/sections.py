"""One section of a run's page at a time, so that a test draws no more than it looks at."""

import re
from pathlib import Path

from prognoscope.report.page_section import Section, draw_section
from prognoscope.report.sections import SECTIONS
from prognoscope.runs.read import Run


def section_called(name: str) -> Section:
    """The section of this id."""
    return next(each for each in SECTIONS if each.id == name)


def html_of(run: Run | Path, name: str) -> str:
    """The section as it stands on the page; "" where the run has none."""
    drawn = draw_section(section_called(name), run if isinstance(run, Run) else Run(run))
    return "" if drawn is None else drawn.html


def text_of(html: str) -> str:
    """Without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))
