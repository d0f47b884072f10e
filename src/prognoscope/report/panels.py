"""Figures of finished runs for a paper: each as a file, or one with the same figure of every cohort side by side."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib import rcParams
from matplotlib.figure import Figure

from prognoscope.core.errors import InputError, nearest, some
from prognoscope.core.files import need_ours, write_table, written_whole
from prognoscope.report.axes import show_title
from prognoscope.report.figures import FIGURES, height_of
from prognoscope.report.page_section import Plate
from prognoscope.report.sections import SECTIONS
from prognoscope.report.style import NO_METADATA, figure_style, method_colours, stems_of
from prognoscope.runs.read import Run
from prognoscope.runs.seeds import titles_of

ENDINGS = ("svg", "pdf", "png")
ACROSS = 3  # cohorts in a row
LIST = "figures.csv"
DPI = 300  # of a PNG
PADS = {"survival": 34, "group_means": 20, "sweep": 18}  # points above the axes, for a legend there


@dataclass(frozen=True, slots=True)
class _Shown:
    """A figure of one run."""

    cohort: str
    plate: Plate
    colours: dict[str, str]


def write_figures(
    runs: Sequence[Run],
    folder: Path,
    *,
    figure: str = "survival",
    methods: Sequence[str] = (),
    is_panel: bool = False,
    ending: str = "svg",
) -> list[Path]:
    """Write a figure of the reports of these runs, of each method or whatever else it is drawn for.

    Args:
        figure: One of `FIGURES`, such as "survival", the Kaplan-Meier curves.
        methods: Those to draw; all by default.
        is_panel: One file for all runs, an axes for each, instead of a file for each of them.
        ending: Of the files, of `ENDINGS`.

    Returns:
        What was written, a list of all as `figures.csv` first.

    Raises:
        InputError: There is no such figure or method, or files of somebody else are there.
    """
    if figure not in FIGURES:
        raise InputError(f"There is no figure {figure!r}; {nearest(figure, FIGURES)}")
    if ending not in ENDINGS:
        raise InputError(f"Figures can be written as {some(ENDINGS)}, not as {ending!r}.")
    known = dict.fromkeys(name for run in runs for name in run.methods)
    if strange := [name for name in methods if name not in known]:
        raise InputError(f"No run has a method {strange[0]!r}; {nearest(strange[0], known)}")
    found: dict[str, list[_Shown]] = {}
    titles = titles_of([run.title for run in runs], [run.folder for run in runs])
    for cohort, run in zip(titles, runs, strict=True):
        for plate in _plates(run, figure, methods):
            found.setdefault(plate.stem, []).append(_Shown(cohort, plate, method_colours(run.methods)))
    if not found:
        raise InputError(f"These runs have no figure {figure!r}; their pages say why, or it is of other methods.")
    groups = found
    if not is_panel:
        names = {(stem, each.cohort): each for stem, shown in found.items() for each in shown}
        stems = stems_of(f"{cohort}-{stem}" for stem, cohort in names)
        groups = dict(zip(stems.values(), ([each] for each in names.values()), strict=True))
    paths = {stem: folder / f"{stem}.{ending}" for stem in groups}
    need_ours(folder / LIST, "file,figure,cohorts", sorted(paths.values()))
    folder.mkdir(parents=True, exist_ok=True)
    told = [(path.name, figure, "; ".join(each.cohort for each in groups[stem])) for stem, path in paths.items()]
    write_table(folder / LIST, pd.DataFrame(told, columns=["file", "figure", "cohorts"]))
    for stem, path in paths.items():
        _draw(figure, groups[stem], path)
    return [folder / LIST, *paths.values()]


def _plates(run: Run, figure: str, methods: Sequence[str]) -> Iterator[Plate]:
    for section in SECTIONS:
        for plate in section.plates(run):
            if not isinstance(plate, Plate) or plate.figure != figure:
                continue
            of = set(plate.data["method"]) if "method" in plate.data else set()
            if not (methods and of) or of & set(methods):
                yield plate


def _draw(name: str, shown: Sequence[_Shown], path: Path) -> None:
    drawing = FIGURES[name]
    height = max(height_of(drawing, each.plate.data) for each in shown)
    columns = min(ACROSS, len(shown)) if len(shown) != 4 else 2
    rows = math.ceil(len(shown) / columns)
    with figure_style():
        whole = Figure(figsize=(columns * drawing.width_in, rows * height), layout="constrained")
        for place, each in enumerate(shown, start=1):
            axes = whole.add_subplot(rows, columns, place)
            drawing.draw(each.plate.data, axes, each.colours)
            title = axes.get_title(loc="left")
            show_title(axes, f"{each.cohort}. {title}", pad=PADS.get(name))
        if path.suffix != ".svg":
            rcParams["font.sans-serif"] = rcParams["font.sans-serif"][:1]  # matplotlib's own; others are a page's
        with written_whole(path) as beside, beside.open("wb") as file:
            metadata = NO_METADATA if path.suffix == ".svg" else None
            whole.savefig(file, format=path.suffix[1:], dpi=DPI, metadata=metadata)
