"""Which figures a run's report has, with their captions; and a sentence for each that it cannot have."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from prognoscope.core.errors import MetricError
from prognoscope.report.figure_data import (
    c_index_data,
    calibration_data,
    calibration_horizon,
    difference_data,
    history_data,
    log_rank_p_within_folds,
    risk_hazard_ratio,
    survival_data,
)
from prognoscope.report.figures import render
from prognoscope.report.reconstruction import reconstruction_data
from prognoscope.report.run_folder import RunFolder
from prognoscope.report.style import file_stem
from prognoscope.report.tables import misfits
from prognoscope.report.words import count, interval, listed, number, p_text

SECTIONS = ("c_index", "differences", "survival", "calibration", "training", "choice", "genes")


@dataclass(frozen=True, slots=True)
class Plate:
    """A figure on a page."""

    section: str  # one of SECTIONS
    figure: str  # one of FIGURES
    stem: str  # of its files' names
    data: pd.DataFrame
    caption: str
    alt: str  # for who cannot see it: what it says

    def render(self, colours: Mapping[str, str]) -> str:
        """The SVG file's text."""
        return render(self.figure, self.data, colours)


def plates_of(run: RunFolder) -> tuple[list[Plate], dict[str, list[str]]]:
    """The figures in the order of the page, and section -> what could not be drawn and why."""
    absent: dict[str, list[str]] = {section: [] for section in SECTIONS}
    plates = [*_c_index(run), *_differences(run, absent)]
    stems = _stems(run)
    horizon = calibration_horizon(run)
    for name in run.methods:
        plates += _survival(run, name, stems[name], absent)
        plates += _calibration(run, name, stems[name], horizon, absent)
        plates += _training(run, name, stems[name])
        plates += _genes(run, name, stems[name])
    without = [name for name, method in run.methods.items() if method.history.empty]
    if without:
        absent["training"].append(f"{listed(without, most=100)}: no training curve, because no epochs were kept.")
    return plates, absent


def _c_index(run: RunFolder) -> list[Plate]:
    data = c_index_data(run)
    if data.empty:
        return []
    values = [f"{row.label} {number(row.value)}" for row in data.itertuples()]
    caption = "C-index of each method on held-out patients."
    return [Plate("c_index", "c_index", "c_index", data, caption, f"C-index: {', '.join(values)}.")]


def _differences(run: RunFolder, absent: dict[str, list[str]]) -> list[Plate]:
    data = difference_data(run)
    if data.empty:
        alone = len(run.methods) == 1
        why = "One method has nothing to be compared with." if alone else "The run holds no paired differences."
        absent["differences"].append(why)
        return []
    leader = data["method_a"].iloc[0]
    caption = f"How far {leader}, the method with the highest C-index, is ahead of each other method."
    values = [f"{row.method_b} {number(row.difference, sign=True)}" for row in data.itertuples()]
    return [Plate("differences", "differences", "differences", data, caption, f"{caption} {', '.join(values)}.")]


def _survival(run: RunFolder, name: str, stem: str, absent: dict[str, list[str]]) -> list[Plate]:
    try:
        data = survival_data(run, name)
    except MetricError as cause:
        absent["survival"].append(f"{name}: no curves. {cause}")
        return []
    firsts = data.drop_duplicates("group")
    medians = [f"{row.group.lower()} {_median(row)}" for row in firsts.itertuples()]
    caption = f"Median survival with 95 % interval: {'; '.join(medians)}."
    try:
        ratio = risk_hazard_ratio(run, name)
        caption += f" Hazard ratio {number(ratio.value, 2)} ({interval(ratio.low, ratio.high, 2)})."
    except MetricError:
        caption += " One group has all the events, so there is no hazard ratio."
    try:
        caption += f" Cut at each fold's own median instead, log-rank {p_text(log_rank_p_within_folds(run, name))}."
    except MetricError:
        caption += " Cut at each fold's own median, one group is empty."
    sizes = [f"{row.patients} patients at {row.group.lower()}" for row in firsts.itertuples()]
    p = p_text(data["log_rank_p"].iloc[0])
    alt = f"{name}: Kaplan-Meier curves of {' and '.join(sizes)}; log-rank {p}. {caption}"
    return [Plate("survival", "survival", f"survival_{stem}", data, caption, alt)]


def _median(row) -> str:
    if not np.isfinite(row.median):
        return "not reached"
    low, high = (number(end, 1) if np.isfinite(end) else "not reached" for end in (row.median_low, row.median_high))
    return f"{number(row.median, 1)} months ({low} to {high})"


def _calibration(run: RunFolder, name: str, stem: str, horizon: float, absent: dict[str, list[str]]) -> list[Plate]:
    try:
        data = calibration_data(run, name, horizon)
    except MetricError as cause:
        absent["calibration"].append(f"{name}: no calibration. {cause}")
        return []
    worst = (data["predicted"] - data["observed"]).abs().max()
    caption = f"{count(len(data), 'group')}, furthest from the diagonal by {number(worst, 2)}."
    if often := misfits(run, name):
        caption += f" D-calibration p: {often}."
    points = [f"{number(row.predicted, 2)} predicted, {number(row.observed, 2)} observed" for row in data.itertuples()]
    alt = f"Calibration of {name} at {horizon:.0f} months. {caption} {'; '.join(points)}."
    return [Plate("calibration", "calibration", f"calibration_{stem}", data, caption, alt)]


def _training(run: RunFolder, name: str, stem: str) -> list[Plate]:
    method = run.methods[name]
    chosen = method.history.loc[method.history["chosen"].astype(bool), "epoch"]
    epochs = f"Epochs chosen, fold by fold: {', '.join(f'{epoch:g}' for epoch in chosen)}." if len(chosen) else ""
    plates = []
    for figure, columns, what in (
        ("loss", ("train_loss", "validation_loss"), "loss"),
        ("epoch_c_index", ("validation_c_index", "test_c_index"), "C-index"),
    ):
        data = history_data(method, columns)
        if data.empty:
            continue
        last = data[data["fold"] == "mean"].tail(1)
        ends = [f"{column.replace('_', ' ')} {number(last[column].iloc[0])}" for column in columns if len(last)]
        alt = f"{name}: {what} by epoch. {f'Mean at the end: {listed(ends)}. ' if ends else ''}{epochs}".strip()
        plates.append(Plate("training", figure, f"{figure}_{stem}", data, epochs, alt))
    return plates


def _genes(run: RunFolder, name: str, stem: str) -> list[Plate]:
    data = reconstruction_data(run, name)
    if data.empty:
        return []
    means = data.groupby("group", sort=False)["spearman"].mean()
    caption = f"Mean Spearman correlation over all {count(len(data), 'gene')}: {number(data['spearman'].mean(), 2)}."
    groups = [f"{group} {number(mean, 2)}" for group, mean in means.items()]
    alt = f"How well {name} tells genes of held-out patients from their slides. {caption} {listed(groups, most=100)}."
    return [Plate("genes", "reconstruction", f"reconstruction_{stem}", data, caption, alt)]


def _stems(run: RunFolder) -> dict[str, str]:
    stems: dict[str, str] = {}
    for name in run.methods:
        stem = file_stem(name)
        taken = {each.lower() for each in stems.values()}
        stems[name] = next(s for s in [stem, *(f"{stem}-{i}" for i in range(2, 1000))] if s.lower() not in taken)
    return stems
