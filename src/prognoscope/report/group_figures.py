"""Figures of groups of patients: their means beside each other, and what a network makes of them."""

import pandas as pd
from matplotlib.axes import Axes

from prognoscope.report.axes import Colours, beside, label_rows, show_title
from prognoscope.report.number_words import number, optimistic_name, p_text
from prognoscope.report.style import INK, RISK_COLOURS

TITLES = {"time_by_risk": "Months seen, by predicted risk", "risk_by_time": "Predicted risk, by months seen"}
AXES = {"time_by_risk": "Months until event or censoring", "risk_by_time": "Predicted risk, standard deviations"}
GROUP_COLOURS = {**RISK_COLOURS, "Below the median time": "#a50f15", "At or above it": "#3182bd"}
COMPONENTS = {  # how a component is called, and its colour
    "common": ("Common", "#e69f00"),
    "synergy": ("Synergy", "#009e73"),
    "gene": ("Gene-specific", "#0072b2"),
    "slide": ("Slide-specific", "#cc79a7"),
}
MARKERS = {"High risk": "^", "Low risk": "o"}


def draw_group_means(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """Box plots of two groups of each method, and the t-test between their means.

    Args:
        data: method, optimistic, reading ("time_by_risk" or "risk_by_time"), group, patients, mean, low,
            first_quartile, median, third_quartile, high, t, p; a row a group of a method.
    """
    labels, reading = [], str(data["reading"].iloc[0])
    for y, (name, rows) in enumerate(data.groupby("method", sort=False)):
        first = rows.iloc[0]
        labels.append(optimistic_name(str(name), bool(first["optimistic"])))
        for shift, row in zip((-0.19, 0.19), rows.to_dict("records"), strict=False):
            colour = GROUP_COLOURS.get(row["group"], INK)
            at = y + shift
            width = row["third_quartile"] - row["first_quartile"]
            axes.barh([at], [width], 0.26, row["first_quartile"], fc="none", ec=colour, lw=1.3)
            axes.plot([row["low"], row["first_quartile"]], [at, at], lw=1.3, color=colour, solid_capstyle="butt")
            axes.plot([row["third_quartile"], row["high"]], [at, at], lw=1.3, color=colour, solid_capstyle="butt")
            axes.plot([row["median"]] * 2, [at - 0.13, at + 0.13], lw=2.2, color=colour, solid_capstyle="butt")
            axes.plot([row["mean"]], [at], "D", ms=4.5, mec="white", mfc=colour, mew=0.8)
        beside(axes, y, f"t = {number(first['t'], 2)}, {p_text(first['p'])}")
    label_rows(axes, labels)
    for group in dict.fromkeys(data["group"]):
        axes.plot([], [], "s", mfc="none", mec=GROUP_COLOURS.get(group, INK), mew=1.3, label=group)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0, handletextpad=0.2)
    axes.set_title(TITLES.get(reading, reading), pad=20)
    axes.set_xlabel(
        f"{AXES.get(reading, reading)}\nBox: quartiles and median. Diamond: mean. Whiskers: 5 to 95 %.\n"
        "Student's t-test takes months until censoring for months until death: it is biased."
    )


def draw_components(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """Components of held-out patients in a plane: a colour a component, filled triangles for high risk.

    Args:
        data: method, optimistic, fold, component, group ("High risk", "Low risk"), x, y, silhouette; a row a patient
            and component.
    """
    for name, rows in data.groupby("component", sort=False):
        label, colour = COMPONENTS.get(str(name), (str(name), INK))
        for group, members in rows.groupby("group", sort=True):
            filled = colour if group == "High risk" else "none"
            marker = MARKERS.get(str(group), "s")
            axes.plot(members["x"], members["y"], marker, ms=4.5, mec=colour, mfc=filled, mew=0.9, alpha=0.85)
        axes.plot([], [], "s", color=colour, label=f"{label}, silhouette {number(rows['silhouette'].mean(), 2)}")
    for group in dict.fromkeys(sorted(data["group"])):
        filled = INK if group == "High risk" else "none"
        axes.plot([], [], MARKERS.get(group, "s"), ms=5, mec=INK, mfc=filled, label=group)
    axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handletextpad=0.3)
    name = optimistic_name(str(data["method"].iloc[0]), bool(data["optimistic"].iloc[0]))
    show_title(axes, f"{name}: components of the held-out patients of fold {data['fold'].iloc[0]}")
    axes.set_xlabel("t-SNE: who is near is told, how far apart groups lie is not")
