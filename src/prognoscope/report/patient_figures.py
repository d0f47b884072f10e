"""The figures of one patient's page."""

import textwrap
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from prognoscope.report.axes import label_rows, show_title
from prognoscope.report.number_words import number
from prognoscope.report.style import INK, QUIET, RISK_COLOURS, method_dashes

RAISES, LOWERS = RISK_COLOURS["High risk"], RISK_COLOURS["Low risk"]
LEGEND_WIDTH, HANDLE_WIDTH = 66, 6  # letters
BEHIND = "#d0d0d0"


def draw_patient_survival(data: pd.DataFrame, axes: Axes, colours: Mapping[str, str]) -> None:
    """What each method says of a patient, before what one of them says of everybody.

    Args:
        data: method, patient_id ("" for the one whose page it is), months, survival; rising months of a patient.
    """
    for _, rows in data[data["patient_id"] != ""].groupby("patient_id", sort=False):
        axes.plot(rows["months"], rows["survival"], color=BEHIND, lw=0.6, zorder=1)
    own, dashes, labels = data[data["patient_id"] == ""], method_dashes(colours), []
    for method, rows in own.groupby("method", sort=False):
        colour, label = colours.get(str(method), INK), textwrap.fill(str(method), LEGEND_WIDTH - HANDLE_WIDTH)
        labels.append(label)
        axes.plot(
            rows["months"],
            rows["survival"],
            "o",
            ls=dashes.get(str(method), "-"),
            ms=4,
            color=colour,
            label=label,
            zorder=3,
        )
    axes.set_xlim(0)
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.set_xlabel("Months")
    axes.set_ylabel("Predicted chance to have had no event")
    axes.grid(axis="y")
    ncols = max(1, min(3, LEGEND_WIDTH // (max(map(len, labels)) + HANDLE_WIDTH)))
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0, ncols=ncols)
    axes.set_title("Predicted survival", pad=6 + 13 * -(-len("\n".join(labels).split("\n")) // ncols))


def draw_contributions(data: pd.DataFrame, axes: Axes, colours: Mapping[str, str]) -> None:
    """What each gene, or gene group, adds to a patient's log risk, the largest first.

    Args:
        data: method, name, value; in the order of the rows from above.
    """
    values = data["value"].to_numpy(float)
    axes.barh(range(len(data)), values, color=[RAISES if value > 0 else LOWERS for value in values], height=0.7)
    label_rows(axes, data["name"].tolist())
    axes.axvline(0, color=QUIET, lw=1)
    widest = max(abs(values).max(), 1e-9)
    for y, value in enumerate(values):
        side = "left" if value >= 0 else "right"
        axes.annotate(
            number(value, sign=True),
            (value, y),
            (4 if value >= 0 else -4, 0),
            textcoords="offset points",
            va="center",
            ha=side,
            fontsize=8,
        )
    axes.set_xlim(-widest * 1.35, widest * 1.35)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    show_title(axes, str(data["method"].iloc[0]))
    axes.set_xlabel("Added to the log risk\nRed raises it, blue lowers it")
