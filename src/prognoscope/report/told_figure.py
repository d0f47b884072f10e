"""How well genes are told from slides, as violins of a group's genes or of the patients, cohorts beside each other."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from prognoscope.report.axes import Colours, beside, label_rows, show_title
from prognoscope.report.number_words import number, optimistic_name
from prognoscope.report.style import INK, QUIET, method_colours

LEAST = 3  # values that a violin is drawn of


def draw_reconstruction(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """A violin for each gene group and cohort, a diamond at its mean and a bar of a standard deviation to each side.

    Args:
        data: method, optimistic, group, spearman, and "gene" or "patient_id", a row a gene or a patient of a group;
            cohort, where there are several.
    """
    name = data["method"].iloc[0]
    cohorts = list(dict.fromkeys(data["cohort"])) if "cohort" in data else [""]
    colour_of = method_colours(cohorts) if len(cohorts) > 1 else {cohorts[0]: colours.get(name, INK)}
    labels, height = [], 0.84 / len(cohorts)
    for y, (group, rows) in enumerate(data.groupby("group", sort=False)):
        for i, cohort in enumerate(cohorts):
            values = (rows if cohort == "" else rows[rows["cohort"] == cohort])["spearman"].dropna().to_numpy(float)
            if len(values):
                at = y + (i - (len(cohorts) - 1) / 2) * height
                _draw_violin(axes, at, height, values, colour_of[cohort])
        labels.append(f"{group} ({len(rows)})" if len(cohorts) == 1 else str(group))
    label_rows(axes, labels)
    axes.axvline(0, color=QUIET, lw=1, ls=(0, (4, 3)), zorder=0)
    each = "patient" if "patient_id" in data else "gene"
    over = "over the genes of the group" if each == "patient" else "over patients"
    show_title(axes, f"{optimistic_name(name, bool(data['optimistic'].iloc[0]))}: genes told from slides, by {each}")
    axes.set_xlabel(
        f"Spearman correlation of each {each} {over}, on held-out patients\n"
        "Dashed line: none. Diamond and bar: mean and SD (ddof 0)."
    )
    if len(cohorts) > 1:
        handles = [Patch(color=colour_of[cohort], alpha=0.6, label=cohort) for cohort in cohorts]
        axes.figure.legend(handles=handles, loc="outside lower center", ncols=5)


def _draw_violin(axes: Axes, at: float, height: float, values: np.ndarray, colour: str) -> None:
    mean, sd = float(values.mean()), float(values.std())
    if len(values) >= LEAST and sd > 1e-9:
        from scipy.stats import gaussian_kde  # slow to import

        along = np.linspace(values.min(), values.max(), 100)
        width = gaussian_kde(values)(along)
        width *= 0.47 * height / width.max()
        axes.fill_between(along, at - width, at + width, facecolor=colour, edgecolor=colour, alpha=0.35, linewidth=0.8)
    axes.plot([mean - sd, mean + sd], [at, at], "-", color=colour, lw=1.6)
    axes.plot([mean], [at], "D", ms=4.5, mec=colour, mfc="white", mew=1.3)
    beside(axes, at, f"{number(mean, 2)} ± {number(sd, 2)}")
