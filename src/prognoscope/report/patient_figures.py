"""The figures of one patient's page."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from prognoscope.report.number_words import number
from prognoscope.report.style import INK, QUIET, RISK_COLOURS

RAISES, LOWERS = RISK_COLOURS["High risk"], RISK_COLOURS["Low risk"]
BEHIND = "#d0d0d0"


def draw_patient_survival(data: pd.DataFrame, axes: Axes, colours: Mapping[str, str]) -> None:
    """What each method says of a patient, before what one of them says of everybody.

    Args:
        data: method, patient_id ("" for the one whose page it is), months, survival; rising months of a patient.
    """
    for _, rows in data[data["patient_id"] != ""].groupby("patient_id", sort=False):
        axes.plot(rows["months"], rows["survival"], color=BEHIND, lw=0.6, zorder=1)
    own = data[data["patient_id"] == ""]
    for method, rows in own.groupby("method", sort=False):
        colour = colours.get(str(method), INK)
        axes.plot(rows["months"], rows["survival"], "o-", ms=4, color=colour, label=method, zorder=3)
    axes.set_xlim(0)
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.set_xlabel("Months")
    axes.set_ylabel("Predicted chance to have had no event")
    axes.grid(axis="y")
    count = own["method"].nunique()
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0, ncols=3)
    axes.set_title("Predicted survival", pad=6 + 13 * -(-count // 3))


def draw_contributions(data: pd.DataFrame, axes: Axes, colours: Mapping[str, str]) -> None:
    """What each gene, or gene group, adds to a patient's log risk, the largest first.

    Args:
        data: method, name, value; in the order of the rows from above.
    """
    values = data["value"].to_numpy(float)
    axes.barh(range(len(data)), values, color=[RAISES if value > 0 else LOWERS for value in values], height=0.7)
    axes.set_yticks(range(len(data)), data["name"].tolist())
    axes.set_ylim(len(data) - 0.4, -0.6)
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
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title(str(data["method"].iloc[0]))
    axes.set_xlabel("Added to the log risk; red raises it, blue lowers it")
