"""What several figures share: rows with names, time in months, ratios on a logarithmic axis."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator, NullLocator
from matplotlib.transforms import offset_copy

from prognoscope.report.style import INK, QUIET, RISK_COLOURS

Colours = Mapping[str, str]  # method -> colour
LABEL_WIDTH = 26  # letters
LINE_IN, BESIDE_ROWS_IN = 0.17, 1.6  # the height of a line of a label, and of what is above and below all rows
LEFT_PT, GAP_PT = 62, 14  # what is left of the axes at least: its numbers and their name; and beside its labels
MONTH_STEPS = (0.1, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 36, 48, 60, 120, 240)
RATIOS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 20.0)  # ticks


def label_rows(axes: Axes, labels: list[str]) -> None:
    """A row a label, the first one on top; the figure grows where labels take more lines than a row has room for."""
    axes.set_yticks(range(len(labels)), told := [in_lines(label) for label in labels])
    most, figure = max(label.count("\n") + 1 for label in told), axes.get_figure(root=True)
    assert figure is not None
    figure.set_figheight(max(figure.get_figheight(), BESIDE_ROWS_IN + LINE_IN * most * len(told)))
    axes.set_ylim(len(labels) - 0.35, -0.65)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def in_lines(name: str) -> str:
    """A name, which may be long, as a label or in a legend."""
    return textwrap.fill(name, LABEL_WIDTH)


def show_title(axes: Axes, words: str, *, pad: float | None = None) -> None:
    """The title, broken into lines where it would leave the figure; after the labels of rows, which take from it."""
    figure, place = axes.get_figure(root=True), axes.get_subplotspec()
    assert figure is not None
    columns = 1 if place is None else place.get_gridspec().ncols
    labels = [line for label in axes.get_yticklabels() for line in label.get_text().split("\n")]
    left = max(LEFT_PT, max(map(_width_pt, labels), default=0) + GAP_PT)
    room, lines = 72 * figure.get_figwidth() / columns - left, []
    for line in words.split("\n"):
        letters = len(line)
        while letters > LABEL_WIDTH // 2 and any(
            _width_pt(part, rcParams["axes.titlesize"], "bold") > room for part in textwrap.wrap(line, letters)
        ):
            letters -= 1
        lines += textwrap.wrap(line, letters)
    axes.set_title("\n".join(lines), pad=pad)


def _width_pt(words: str, size: float | str = 9.0, weight: str = "normal") -> float:
    font = FontProperties(family=rcParams["font.sans-serif"][:1], size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(words, font, ismath=False)[0]


def show_months(axes: Axes, longest: float) -> None:
    """Time from 0, its ticks at whole months or years, or parts of the only months."""
    step = next((step for step in MONTH_STEPS if longest / step <= 9), MONTH_STEPS[-1])
    axes.set_xlim(0, max(longest, step) * 1.02)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.set_xlabel("Months")


def show_ratios(axes: Axes, ends: np.ndarray) -> None:
    """A logarithmic axis of ratios that holds what is finite of `ends`, or as much of it as is worth seeing."""
    known = ends[np.isfinite(ends) & (ends > 0)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.5, 2.0)
    axes.set_xscale("log")
    axes.set_xlim(max(min(low / 1.1, 0.8), RATIOS[0]), min(max(high * 1.1, 1.25), RATIOS[-1]))
    axes.xaxis.set_major_locator(FixedLocator(RATIOS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.axvline(1, color=QUIET, lw=1, ls=(0, (4, 3)), zorder=0)


def beside(axes: Axes, y: float, text: str) -> None:
    """Words to the right of a row."""
    axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)


def numbers_at_risk(axes: Axes, data: pd.DataFrame, groups: list[str]) -> None:
    """Below the months, how many patients of each group were still followed.

    Args:
        data: group, time, at_risk.
    """
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    figure = axes.get_figure(root=True)
    for line, group in enumerate(["", *groups]):
        place = offset_copy(axes.get_xaxis_transform(), figure, y=-38 - 12.5 * line, units="points")
        if not group:
            axes.text(0, 0, "Patients at risk", transform=place, fontsize=8.5, va="top", color=QUIET)
            continue
        rows = data[(data["group"] == group) & (data["time"] > 0)]
        rows = rows if len(rows) else data[data["group"] == group]
        times, at_risk = rows["time"].to_numpy(float), np.append(rows["at_risk"].to_numpy(float), 0)
        style = {"transform": place, "fontsize": 8.5, "va": "top", "color": RISK_COLOURS.get(group, INK)}
        side = offset_copy(place, figure, x=-14, units="points")
        axes.text(0, 0, group.removesuffix(" risk"), ha="right", **{**style, "transform": side})
        for tick in ticks:
            count = at_risk[np.searchsorted(times, tick, "left")]
            axes.text(tick, 0, f"{count:.0f}", ha="center", **style)
