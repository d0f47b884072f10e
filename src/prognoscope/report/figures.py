"""The figures of a report: each takes its data, which is also its CSV file, and Axes."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter

from prognoscope.report.axes import Colours, label_rows, numbers_at_risk, show_months, show_title
from prognoscope.report.clinical_figures import (
    GAP,
    draw_added_value,
    draw_auc_over_time,
    draw_brier_over_time,
    draw_decision_curve,
    draw_hazard_ratios,
    draw_subgroups,
)
from prognoscope.report.group_figures import draw_components, draw_group_means
from prognoscope.report.incidence_figure import draw_incidence
from prognoscope.report.number_words import interval, metric_words, number, optimistic_name, p_text
from prognoscope.report.patient_figures import draw_contributions, draw_patient_survival
from prognoscope.report.style import INK, ORACLE_COLOUR, QUIET, RISK_COLOURS, figure_style, method_colours, to_svg
from prognoscope.report.sweep_figure import draw_sweep
from prognoscope.report.told_figure import draw_reconstruction


def draw_c_index(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """Each method's C-index: a diamond with its interval, a ring for each fold, oracles hollow.

    Args:
        data: method, label, kind ("method" or "oracle"), optimistic, value, low, high, fold_0, fold_1, ...
    """
    rings = [name for name in data.columns if name.startswith("fold_")]
    for y, row in enumerate(data.to_dict("records")):
        oracle = row["kind"] == "oracle"
        colour = ORACLE_COLOUR if oracle else colours.get(row["method"], INK)
        if rings:
            folds = [row[name] for name in rings]
            axes.plot(folds, [y + 0.27] * len(folds), "o", ms=4, mfc="none", mec=colour, mew=0.9, alpha=0.75)
        axes.plot([row["low"], row["high"]], [y, y], "-", color=colour, lw=2, solid_capstyle="butt")
        axes.plot([row["value"]], [y], "D", ms=6.5, mec=colour, mfc="white" if oracle else colour, mew=1.4)
        spread = interval(row["low"], row["high"])
        text = number(row["value"]) + (f" ({spread})" if spread else "")
        axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    labels = [optimistic_name(label, flag) for label, flag in zip(data["label"], data["optimistic"], strict=True)]
    label_rows(axes, labels)
    axes.axvline(0.5, color=QUIET, lw=1, ls=(0, (4, 3)), zorder=0)
    numbers = data[["value", "low", "high", *rings]].to_numpy(float)
    axes.set_xlim(min(0.45, np.nanmin(numbers) - 0.02), max(0.7, np.nanmax(numbers) + 0.02))
    axes.set_title("C-index on held-out patients")
    axes.set_xlabel(
        "C-index; dashed line: chance\nDiamond: mean of the folds with its 95 % interval. Rings: single folds."
    )


def draw_differences(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """Paired differences of one metric with their intervals; filled where the interval leaves zero out.

    Args:
        data: method_a, method_b, optimistic, difference, low, high, supported.
    """
    for y, row in enumerate(data.to_dict("records")):
        colour = colours.get(row["method_b"], INK)
        axes.plot([row["low"], row["high"]], [y, y], "-", color=colour, lw=2, solid_capstyle="butt")
        filled = colour if row["supported"] else "white"
        axes.plot([row["difference"]], [y], "s", ms=6.5, mec=colour, mfc=filled, mew=1.4)
        spread = interval(row["low"], row["high"], sign=True)
        text = number(row["difference"], sign=True) + (f" ({spread})" if spread else "")
        axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    names = zip(data["method_b"], data["optimistic"], strict=True)
    label_rows(axes, [optimistic_name(f"against {name}", flag) for name, flag in names])
    axes.axvline(0, color=QUIET, lw=1, ls=(0, (4, 3)), zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    show_title(axes, f"C-index of {data['method_a'].iloc[0]} minus that of the others")
    axes.set_xlabel(
        "Paired difference with its 95 % interval; dashed line: no difference\nFilled: the interval leaves 0 out"
    )


def draw_survival(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """Kaplan-Meier curves by risk group with bands, censor marks, medians and numbers at risk.

    Args:
        data: method, optimistic, group, patients, median, median_low, median_high, log_rank_p, time, survival, low,
            high, at_risk, events, censored; a row at each time of a group, the first one at time 0.
    """
    groups = list(dict.fromkeys(data["group"]))
    for group in groups:
        rows = data[data["group"] == group]
        first, colour = rows.iloc[0], RISK_COLOURS.get(group, INK)
        median = f"median {first['median']:.1f} months" if np.isfinite(first["median"]) else "median not reached"
        label = f"{group}: {first['patients']:.0f} patients, {median}"
        dashes = "-" if group == groups[0] else (0, (5, 1.5))
        axes.step(rows["time"], rows["survival"], where="post", color=colour, ls=dashes, label=label)
        axes.fill_between(rows["time"], rows["low"], rows["high"], step="post", color=colour, alpha=0.13, lw=0)
        censored = rows[rows["censored"] > 0]
        axes.plot(censored["time"], censored["survival"], "|", color=colour, ms=5, mew=0.8)
    show_months(axes, data["time"].max())
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_ylabel("Surviving")
    axes.grid(axis="y")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0, handlelength=2.2)
    name = optimistic_name(data["method"].iloc[0], bool(data["optimistic"].iloc[0]))
    show_title(axes, f"{name}: survival by predicted risk\nLog-rank {p_text(data['log_rank_p'].iloc[0])}", pad=34)
    numbers_at_risk(axes, data, groups)


def draw_loss(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """Loss by epoch: a thin line for each fold, a thick one for their mean, a dot at the epoch that was chosen.

    Args:
        data: method, fold ("0", "1", ..., "mean"), epoch, train_loss, validation_loss, chosen.
    """
    colour = colours.get(data["method"].iloc[0], INK)
    _epochs(axes, data, "train_loss", QUIET, "Training", dots=False)
    _epochs(axes, data, "validation_loss", colour, "Validation", dots=True)
    show_title(axes, f"{data['method'].iloc[0]}: loss by epoch")
    axes.set_ylabel("Loss per patient")


def draw_epoch_c_index(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """C-index by epoch on validation and held-out patients, drawn like the loss.

    Args:
        data: method, fold ("0", "1", ..., "mean"), epoch, validation_c_index, test_c_index, chosen.
    """
    colour = colours.get(data["method"].iloc[0], INK)
    _epochs(axes, data, "validation_c_index", QUIET, "Validation", dots=False)
    _epochs(axes, data, "test_c_index", colour, "Held-out fold", dots=True)
    axes.axhline(0.5, color=QUIET, lw=1, ls=(0, (4, 3)), zorder=0)
    show_title(axes, f"{data['method'].iloc[0]}: C-index by epoch")
    axes.set_ylabel("C-index; dashed line: chance")


def draw_calibration(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """Observed against predicted survival at one time, in groups of patients of similar prediction.

    Args:
        data: method, optimistic, horizon (months), group, patients, events, predicted, observed, low, high.
    """
    name = data["method"].iloc[0]
    colour = colours.get(name, INK)
    axes.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=(0, (4, 3)), zorder=0)
    ends = data[["low", "observed", "high"]].to_numpy(float).T
    reach = np.clip(np.diff(ends, axis=0), 0, None)
    axes.errorbar(
        data["predicted"], data["observed"], yerr=reach, fmt="o-", color=colour, ms=5.5, lw=1.2, elinewidth=1.4
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", anchor="W")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axis.set_major_locator(MultipleLocator(0.25))
    axes.grid()
    title = f"calibration at {data['horizon'].iloc[0]:.4g} months"
    show_title(axes, f"{optimistic_name(name, bool(data['optimistic'].iloc[0]))}: {title}")
    axes.set_xlabel("Predicted to have had no event")
    axes.set_ylabel("Observed to have had none")


def draw_comparison(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """How far each method is from the best one: a square with its paired interval, rings for folds or cohorts.

    Args:
        data: column, metric, method, optimistic, value, difference, low, high, part_0, part_1, ...; the best one first.
            Where that is another one: reference, what it is.
    """
    reference = data["reference"].iloc[0] if "reference" in data else "the highest"
    parts = [name for name in data.columns if name.startswith("part_")]
    for y, row in enumerate(data.to_dict("records")):
        colour = colours.get(row["method"], INK)
        if y and parts:
            axes.plot(
                [row[name] for name in parts], [y + 0.27] * len(parts), "o", ms=4, mfc="none", mec=colour, mew=0.9
            )
        axes.plot([row["low"], row["high"]], [y, y], "-", color=colour, lw=2, solid_capstyle="butt")
        filled = colour if not y or row["low"] > 0 or row["high"] < 0 else "white"
        axes.plot([row["difference"]], [y], "s" if y else "D", ms=6.5, mec=colour, mfc=filled, mew=1.4)
        spread = interval(row["low"], row["high"], sign=True)
        apart = f"{GAP}{number(row['difference'], sign=True)} ({spread})" if spread else ""
        text = number(row["value"]) + (apart if y else f"{GAP}{reference}")
        axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    label_rows(axes, [optimistic_name(n, flag) for n, flag in zip(data["method"], data["optimistic"], strict=True)])
    axes.axvline(0, color=QUIET, lw=1, ls=(0, (4, 3)), zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    label = metric_words(data["metric"].iloc[0]).label
    show_title(axes, f"{data['column'].iloc[0]}: {label} minus that of {data['method'].iloc[0]}")
    axes.set_xlabel(
        f"Paired difference to the {'best' if reference == 'the highest' else 'first'} with its 95 % interval; "
        "dashed line: no difference\n"
        "Filled: the interval leaves 0 out. Rings: single folds, or cohorts of a mean."
    )


def draw_optimism(data: pd.DataFrame, axes: Axes, colours: Colours) -> None:
    """What choosing the best epoch on the reported fold adds: a diamond and a ring for each fold; noise below, hollow.

    Args:
        data: method, optimistic, since ("reported" or "last": over which epoch), added, noise_added, noise_low,
            noise_high (95 % of the best epochs of noise, less its mean last one), fold_0, fold_1, ...
    """
    folds = [name for name in data.columns if name.startswith("fold_")]
    for y, row in enumerate(data.to_dict("records")):
        colour, noise = colours.get(row["method"], INK), y + 0.34
        axes.plot([row[name] for name in folds], [y] * len(folds), "o", ms=4, mfc="none", mec=colour, mew=0.9)
        axes.plot([row["added"]], [y], "D", ms=6.5, mec=colour, mfc=colour, mew=1.4)
        axes.plot([row["noise_low"], row["noise_high"]], [noise] * 2, "-", color=ORACLE_COLOUR, lw=2)
        axes.plot([row["noise_added"]], [noise], "s", ms=5.5, mec=ORACLE_COLOUR, mfc="white", mew=1.4)
        place = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 8.5}
        over = " over the last epoch" if row["since"] == "last" else ""
        axes.text(1.02, y, f"{number(row['added'], sign=True)}{over}", **place)
        axes.text(1.02, noise, f"noise {number(row['noise_added'], sign=True)}", color=QUIET, **place)
    label_rows(axes, [optimistic_name(n, flag) for n, flag in zip(data["method"], data["optimistic"], strict=True)])
    axes.axvline(0, color=QUIET, lw=1, ls=(0, (4, 3)), zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    show_title(axes, "What choosing the best epoch on the reported fold adds")
    axes.set_xlabel(
        "Added to the C-index. Diamond: mean of the folds. Rings: single folds.\n"
        "Hollow square: the same for risks that know nothing.\nBar: 95 % of their best epochs."
    )


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a figure is drawn, and how large."""

    draw: Callable[[pd.DataFrame, Axes, Colours], None]
    width_in: float
    height_in: float
    row_in: float = 0.0  # more height for each row of the data
    by: str = ""  # or for each value of this column


FIGURES: dict[str, Drawing] = {
    "c_index": Drawing(draw_c_index, 6.4, 1.15, 0.42),
    "differences": Drawing(draw_differences, 6.4, 1.15, 0.34),
    "survival": Drawing(draw_survival, 4.9, 4.5),
    "incidence": Drawing(draw_incidence, 4.9, 4.5),
    "group_means": Drawing(draw_group_means, 6.4, 1.6, 0.62, by="method"),
    "calibration": Drawing(draw_calibration, 3.5, 3.4),
    "loss": Drawing(draw_loss, 4.4, 3.0),
    "epoch_c_index": Drawing(draw_epoch_c_index, 4.4, 3.0),
    "reconstruction": Drawing(draw_reconstruction, 6.8, 1.2, 0.62, by="group"),
    "components": Drawing(draw_components, 6.4, 4.0),
    "comparison": Drawing(draw_comparison, 7.2, 1.3, 0.38),
    "optimism": Drawing(draw_optimism, 6.4, 1.3, 0.52),
    "sweep": Drawing(draw_sweep, 6.4, 3.6),
    "patient_survival": Drawing(draw_patient_survival, 5.6, 3.9),
    "contributions": Drawing(draw_contributions, 4.6, 1.1, 0.24),
    "hazard_ratios": Drawing(draw_hazard_ratios, 7.0, 1.2, 0.36),
    "added_value": Drawing(draw_added_value, 6.4, 1.2, 0.36),
    "subgroups": Drawing(draw_subgroups, 7.0, 1.3, 0.3),
    "decision_curve": Drawing(draw_decision_curve, 6.4, 4.0),
    "auc_over_time": Drawing(draw_auc_over_time, 5.2, 3.6),
    "brier_over_time": Drawing(draw_brier_over_time, 5.2, 3.6),
}


def render(name: str, data: pd.DataFrame, colours: Colours | None = None) -> str:
    """A figure of `FIGURES` as an SVG file's text; equal data give equal bytes.

    Args:
        colours: Of the methods; without them, by their order in the data.
    """
    drawing = FIGURES[name]
    with figure_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # that matplotlib's font lacks: a page's fonts may have it
        figure = Figure(figsize=(drawing.width_in, height_of(drawing, data)), layout="constrained")
        drawing.draw(data, figure.add_subplot(), colours_of(data) if colours is None else colours)
        return to_svg(figure)


def colours_of(data: pd.DataFrame) -> Colours:
    """A colour for each method of the data, by their order."""
    return method_colours(dict.fromkeys(data["method" if "method" in data else "method_b"]))


def height_of(drawing: Drawing, data: pd.DataFrame) -> float:
    """How high a figure of these data is, in inches."""
    return drawing.height_in + drawing.row_in * (data[drawing.by].nunique() if drawing.by else len(data))


def _epochs(axes: Axes, data: pd.DataFrame, column: str, colour: str, label: str, *, dots: bool) -> None:
    for fold, rows in data.groupby("fold", sort=False):
        if not rows[column].notna().any():
            continue
        if fold == "mean":
            axes.plot(rows["epoch"], rows[column], color=colour, lw=2.2, label=f"{label}, mean")
            continue
        axes.plot(rows["epoch"], rows[column], color=colour, lw=0.8, alpha=0.55)
        chosen = rows[rows["chosen"].astype(bool)]
        if dots:
            axes.plot(chosen["epoch"], chosen[column], "o", ms=5, mfc="white", mec=colour, mew=1.3, zorder=3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    axes.set_xlabel("Epoch; thin lines: folds; rings: epochs chosen")
    axes.grid(axis="y")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best")
