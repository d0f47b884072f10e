"""Cumulative incidence by risk group, where other events compete."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from prognoscope.report.axes import Colours, numbers_at_risk, show_months, show_title
from prognoscope.report.number_words import optimistic_name, p_text
from prognoscope.report.style import INK, RISK_COLOURS


def draw_incidence(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """Cumulative incidence by risk group with bands and numbers at risk.

    Args:
        data: method, optimistic, group, patients, others, gray_p, time, incidence, low, high, at_risk; a row at each
            time of a group, the first one at time 0.
    """
    groups = list(dict.fromkeys(data["group"]))
    for group in groups:
        rows = data[data["group"] == group]
        first, colour = rows.iloc[0], RISK_COLOURS.get(group, INK)
        label = f"{group}: {first['patients']:.0f} patients, {first['others']:.0f} with another event first"
        dashes = "-" if group == groups[0] else (0, (5, 1.5))
        axes.step(rows["time"], rows["incidence"], where="post", color=colour, ls=dashes, label=label)
        axes.fill_between(rows["time"], rows["low"], rows["high"], step="post", color=colour, alpha=0.13, lw=0)
    show_months(axes, data["time"].max())
    axes.set_ylim(0, min(1.0, max(0.1, 1.08 * float(data["high"].max()))))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_ylabel("With the event of interest")
    axes.grid(axis="y")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0, handlelength=2.2)
    name = optimistic_name(data["method"].iloc[0], bool(data["optimistic"].iloc[0]))
    show_title(axes, f"{name}: incidence by predicted risk\nGray's test {p_text(data['gray_p'].iloc[0])}", pad=34)
    numbers_at_risk(axes, data, groups)
