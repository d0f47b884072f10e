"""The figure of a sweep: how far a method at each value of a setting is from its own value."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from prognoscope.report.axes import Colours, in_lines, show_title
from prognoscope.report.number_words import metric_words, number, optimistic_name
from prognoscope.report.style import INK, PALETTE, QUIET

DODGE = 0.12  # between lines at one value, in steps of the axis


def draw_sweep(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """Difference to the method's own value by value, with paired intervals: a line a column, and a line of a grid.

    Args:
        data: column, metric, method, optimistic, setting, line, value, row, is_own, mean, difference, low, high.
    """
    values, method = list(dict.fromkeys(data["value"])), data["method"].iloc[0]
    is_scale = all(map(_is_number, set(values) - {"default"}))
    lines = list(dict.fromkeys(zip(data["column"], data["line"], strict=True)))
    for i, (column, line) in enumerate(lines):
        rows = data[(data["column"] == column) & (data["line"] == line)]
        colour = colours.get(method, INK) if len(lines) == 1 else PALETTE[i % len(PALETTE)]
        x = np.array([values.index(value) for value in rows["value"]]) + DODGE * (i - (len(lines) - 1) / 2)
        named = ", ".join(part for part in (column, line) if part)
        dashes = "-" if is_scale else "none"  # between words there is nothing to follow
        axes.plot(x, rows["difference"], ls=dashes, color=colour, lw=1.3)
        axes.plot([], [], "-", color=colour, lw=2, label=in_lines(named) or None)
        for at, row in zip(x, rows.to_dict("records"), strict=True):
            axes.plot([at, at], [row["low"], row["high"]], "-", color=colour, lw=2, solid_capstyle="butt")
            filled = colour if row["low"] > 0 or row["high"] < 0 else "white"
            axes.plot([at], [row["difference"]], "D" if row["is_own"] else "o", ms=6.5, mec=colour, mfc=filled, mew=1.4)
            if len(lines) == 1:
                place = {"ha": "center", "va": "bottom", "fontsize": 8.5}
                axes.text(at, 1.01, number(row["mean"]), transform=axes.get_xaxis_transform(), **place)
    axes.axhline(0, color=QUIET, lw=1, ls=(0, (4, 3)), zorder=0)
    axes.set_xticks(range(len(values)), values)
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    label = metric_words(data["metric"].iloc[0]).label
    name = optimistic_name(method, bool(data["optimistic"].any()))
    title = f"{name}: {label} by {data['setting'].iloc[0]}, minus that of its own value"
    show_title(axes, title, pad=18 if len(lines) == 1 else 8)
    axes.set_ylabel("Paired difference, 95 % interval")
    above = f" Above: {label}." if len(lines) == 1 else ""
    axes.set_xlabel(f"{data['setting'].iloc[0]}\nDiamond: its own value. Filled: the interval leaves 0 out.{above}")
    if len(lines) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
