"""A section of a run's page: what it says and which figures it shows; where both are nothing, there is no section."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from prognoscope.core.files import write_table, write_text
from prognoscope.report.figures import render
from prognoscope.report.rendering import picture_of, rendered
from prognoscope.report.style import method_colours
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.read import Run


@dataclass(frozen=True, slots=True)
class Plate:
    """A figure on a page."""

    figure: str  # one of FIGURES
    stem: str  # of its files' names
    data: pd.DataFrame
    caption: str
    alt: str  # for who cannot see it: what it says


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a figure is not there, as a sentence."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Section:
    """A section, drawn by the template of its id in templates/sections/, which gets `content`, `pictures`, `absent`."""

    id: str
    title: str  # in the contents of the page
    content: Callable[[Run], Mapping[str, Any]]  # plain values for the template; empty where there is nothing to say
    plates: Callable[[Run], Iterable[Plate | Absence]] = lambda run: ()
    knows_causes: bool = True  # False: it is left out of a run in which other events compete


@dataclass(frozen=True, slots=True)
class DrawnSection:
    """A section as it stands on the page of one run."""

    id: str
    title: str
    html: str
    plates: tuple[tuple[Plate, str], ...]  # each with its SVG

    def write_figures(self, files: RunFiles) -> None:
        """Write each figure and its data."""
        for plate, svg in self.plates:
            write_text(files.figures / f"{plate.stem}.svg", svg)
            write_table(files.figures / f"{plate.stem}.csv", plate.data)


def draw_section(section: Section, run: Run) -> DrawnSection | None:
    """The section of a run's page; None where it has nothing to say, to show, or to excuse."""
    if run.has_competing and not section.knows_causes:
        return None
    colours = method_colours(run.methods)
    content, found = section.content(run), list(section.plates(run))
    absent = [each.sentence for each in found if isinstance(each, Absence)]
    plates = [(each, render(each.figure, each.data, colours)) for each in found if isinstance(each, Plate)]
    if not content and not found:
        return None
    pictures = [
        picture_of(svg, plate.stem, plate.caption, plate.alt, folder=run.files.figures.name) for plate, svg in plates
    ]
    values = {"content": content, "pictures": pictures, "absent": absent}
    html = rendered(f"sections/{section.id}.html", **values).strip("\n")
    return DrawnSection(section.id, section.title, html, tuple(plates))
