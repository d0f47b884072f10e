"""Figures that a clinic asks for: what risk is worth beside covariates, in subgroups, for decisions, and over time."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from prognoscope.analysis.added_value import EVERYBODY
from prognoscope.analysis.decision_data import ALL, CLINICAL, NONE
from prognoscope.analysis.over_time import NULL, NULL_OF_CAUSES
from prognoscope.report.axes import Colours, beside, in_lines, label_rows, show_months, show_ratios, show_title
from prognoscope.report.number_words import interval, is_number, number, optimistic_name, p_text
from prognoscope.report.style import INK, QUIET, method_dashes

GAP = "\u00a0\u00a0\u00a0"  # a page would draw blanks as one
# lines that are of no method
REFERENCES = {ALL: (QUIET, (0, (4, 2))), NONE: (QUIET, "-"), CLINICAL: (INK, (0, (1, 1)))}
REFERENCES |= dict.fromkeys((NULL, NULL_OF_CAUSES), (INK, (0, (4, 2))))


def draw_hazard_ratios(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """The hazard ratio of a standard deviation of each method's risk: a square with its 95 % interval.

    Args:
        data: method, optimistic, covariates (whom it is adjusted for; "" for none), ratio, low, high, p.
    """
    for y, row in enumerate(data.to_dict("records")):
        _whisker(axes, y, row, colours.get(row["method"], INK))
        spread = interval(row["low"], row["high"], 2)
        beside(axes, y, f"{number(row['ratio'], 2)} ({spread}), {p_text(row['p'])}")
    label_rows(axes, [optimistic_name(n, flag) for n, flag in zip(data["method"], data["optimistic"], strict=True)])
    show_ratios(axes, data[["low", "high"]].to_numpy(float))
    adjusted = data["covariates"].iloc[0]
    axes.set_title("Hazard ratio of one standard deviation of the risk")
    by = f"adjusted for {adjusted}" if adjusted else "not adjusted: the run has no covariates"
    ratio = textwrap.fill(f"Hazard ratio, {by}", 64, max_lines=3, placeholder=" ...")
    axes.set_xlabel(f"{ratio}\nDashed line: none. p: likelihood-ratio test. Filled: interval leaves 1 out.")


def draw_added_value(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """What each method's risk adds to the C-index of clinical covariates, with its paired interval.

    Args:
        data: method, optimistic, c_clinical, c_both, added, added_low, added_high.
    """
    for y, row in enumerate(data.to_dict("records")):
        low, high, colour = row["added_low"], row["added_high"], colours.get(row["method"], INK)
        axes.plot([low, high], [y, y], "-", color=colour, lw=2, solid_capstyle="butt")
        filled = colour if low > 0 or high < 0 else "white"
        axes.plot([row["added"]], [y], "s", ms=6.5, mec=colour, mfc=filled, mew=1.4)
        beside(axes, y, f"{number(row['added'], sign=True)} ({interval(low, high, sign=True)})")
    label_rows(axes, [optimistic_name(n, flag) for n, flag in zip(data["method"], data["optimistic"], strict=True)])
    axes.axvline(0, color=QUIET, lw=1, ls=(0, (4, 3)), zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    show_title(axes, "C-index added to that of clinical covariates alone")
    axes.set_xlabel("Paired difference with its 95 % interval; dashed line: nothing\nFilled: the interval leaves 0 out")


def draw_subgroups(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """The hazard ratio of a standard deviation of one method's risk in subgroups, all patients on top.

    Args:
        data: method, optimistic, group (`EVERYBODY` in the first row), level, patients, events, ratio, low, high (NaN:
            too few events), interaction_p (of the group).
    """
    name = data["method"].iloc[0]
    colour, labels, before = colours.get(name, INK), [], None
    for y, row in enumerate(data.to_dict("records")):
        labels.append(row["level"] if row["group"] == EVERYBODY else f"{row['group']}: {row['level']}")
        size = f"{row['events']:.0f}/{row['patients']:.0f}"
        if not is_number(row["ratio"]):
            beside(axes, y, f"{size}{GAP}too few events")
            continue
        _whisker(axes, y, row, colour)
        text = f"{size}{GAP}{number(row['ratio'], 2)} ({interval(row['low'], row['high'], 2)})"
        if row["group"] != before and is_number(row["interaction_p"]):
            text += f"{GAP}{p_text(row['interaction_p'])}"
        before = row["group"]
        beside(axes, y, text)
    label_rows(axes, labels)
    show_ratios(axes, data[["low", "high"]].to_numpy(float))
    show_title(axes, f"{optimistic_name(name, bool(data['optimistic'].iloc[0]))}: subgroups, exploratory")
    axes.set_xlabel(
        "Hazard ratio of one standard deviation of the risk, not adjusted; dashed line: none\n"
        "Events/patients, ratio (95 % interval), and p of interaction, not corrected for their number"
    )


def draw_decision_curve(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """Net benefit by threshold: a line for each method, and for treating all, none, or by covariates alone.

    Args:
        data: method (or one of the three), optimistic, horizon (months), threshold, net_benefit.
    """
    _lines(axes, data, "threshold", "net_benefit", colours)
    shown = data.loc[~data["method"].isin([ALL]), "net_benefit"]
    top = max(float(np.nanmax(shown.to_numpy(float))), 0.02)
    axes.set_ylim(-0.25 * top, 1.12 * max(top, float(data["net_benefit"].max())))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_title(f"Decision curve at {data['horizon'].iloc[0]:.4g} months")
    axes.set_xlabel("Threshold: the chance of an event from which on one would act")
    axes.set_ylabel("Net benefit")


def draw_auc_over_time(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """How well risk parts who had the event by each time from who had not: a line for each method.

    Args:
        data: method, optimistic, time (months), auc.
    """
    _lines(axes, data, "time", "auc", colours)
    axes.axhline(0.5, color=QUIET, lw=1, ls=(0, (4, 3)), zorder=0)
    show_months(axes, float(data["time"].max()))
    axes.set_title("AUC over time")
    axes.set_ylabel("Time-dependent AUC; dashed line: chance")


def draw_brier_over_time(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """The squared error of predicted survival at each time: a line for each method, dashed for who knows nothing.

    Args:
        data: method (or the null model), optimistic, time (months), brier.
    """
    _lines(axes, data, "time", "brier", colours)
    show_months(axes, float(data["time"].max()))
    axes.set_ylim(bottom=0)
    axes.set_title("Brier score over time")
    axes.set_ylabel("Brier score; lower is better")


def _whisker(axes: Axes, y: int, row: dict, colour: str) -> None:
    axes.plot([row["low"], row["high"]], [y, y], "-", color=colour, lw=2, solid_capstyle="butt")
    filled = colour if row["low"] > 1 or row["high"] < 1 else "white"
    axes.plot([row["ratio"]], [y], "s", ms=6.5, mec=colour, mfc=filled, mew=1.4)


def _lines(axes: Axes, data: pd.DataFrame, x: str, y: str, colours: Colours) -> None:
    dashes_of = method_dashes(colours)
    for name, rows in data.groupby("method", sort=False):
        own = (colours.get(str(name), INK), dashes_of.get(str(name), "-"))
        colour, dashes = REFERENCES.get(str(name), own)
        label = in_lines(optimistic_name(str(name), bool(rows["optimistic"].iloc[0])))
        axes.plot(rows[x], rows[y], color=colour, ls=dashes, label=label, lw=1.6)
    axes.grid()
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
