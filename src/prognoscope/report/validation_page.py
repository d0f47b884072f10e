"""External validation as files: a page that opens offline, its table as CSV, its figures with their data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from prognoscope.analysis.external import (
    COLUMNS,
    SUBDISTRIBUTION,
    ExternalCohort,
    external_calibration_data,
    external_incidence_data,
    external_survival_data,
    recalibrated,
)
from prognoscope.core.errors import MetricError
from prognoscope.core.files import need_ours, write_table, write_text
from prognoscope.core.words import count
from prognoscope.report.figures import render
from prognoscope.report.number_words import DASH, interval, is_number, metric_text, metric_words, number
from prognoscope.report.rendering import picture_of, rendered
from prognoscope.report.style import method_colours, stems_of

MEASURES = {  # in the order of the table -> what it is called, and what it says
    "c_index": "",
    "c_index_ipcw": "",
    "auc": "",
    "integrated_brier": "",
    "d_calibration_p": "",
    "calibration_slope": "Calibration slope",
    "observed_expected": "Observed / expected",
    "log_rank_p": "",
    "hazard_ratio": "",
    "gray_p": "",
    "fine_gray_p": "Fine-Gray p",
    SUBDISTRIBUTION: "Subdistribution hazard ratio",
}
MEANINGS = {
    "calibration_slope": "1 is right; below 1, patients are predicted too far apart, as a model that learned too much",
    "observed_expected": "chance of the event by the horizon, seen over predicted; above 1, more events than predicted",
    "fine_gray_p": "that the subdistribution hazard ratio is 1, by Fine and Gray's Wald test",
    SUBDISTRIBUTION: "of the groups by the cut of training, where other events compete",
}
P_VALUES = ("log_rank_p", "gray_p", "fine_gray_p")
AGAIN = {"recalibrated_integrated_brier": "integrated_brier", "recalibrated_d_calibration_p": "d_calibration_p"}


def validation_files(to: Path) -> tuple[Path, Path, Path]:
    """The page, the table and the folder of figures that go with a file of predictions."""
    page, table, folder = (to.with_name(f"{to.stem}_validation{ending}") for ending in (".html", ".csv", ""))
    return page, table, folder


def need_own_validation(to: Path) -> None:
    """Refuse, before any work, places that hold what is of somebody else.

    Raises:
        InputError: They do.
    """
    page, table, folder = validation_files(to)
    need_ours(table, ",".join(COLUMNS), [page, *sorted(folder.glob("*"))])


def write_validation(
    cohorts: Sequence[ExternalCohort], table: pd.DataFrame, to: Path, *, source: str, learned: str
) -> Path:
    """Write the page of these cohorts beside the file of their predictions.

    Args:
        table: Of `external_table`.
        to: The file of predictions.
        source: Which models they are.
        learned: Whom these learned from, in a sentence.

    Returns:
        The page.
    """
    page, csv, folder = validation_files(to)
    write_table(csv, table)  # first: by it the others are known for this command's, even if it is ended before its end
    colours = method_colours(dict.fromkeys(cohort.method for cohort in cohorts))
    sections, stems = [], stems_of(cohort.name for cohort in cohorts)
    for cohort in cohorts:
        stem, pictures, absent = stems[cohort.name], [], []
        competes = cohort.outcome.competing is not None
        for figure, make, words in (
            ("incidence", external_incidence_data, "Cumulative incidence of the groups by the cut of training")
            if competes
            else ("survival", external_survival_data, "Kaplan-Meier curves of the groups by the cut of training"),
            ("calibration", external_calibration_data, "Predicted and observed, as the models predict"),
            ("calibration", _recalibrated_data, "Recalibrated: another model, which learned from this cohort"),
        ):
            try:
                data = make(cohort)
            except MetricError as cause:
                absent.append(f"{words}: not drawn. {cause}")
                continue
            name = f"{stem}_{figure}" + ("_recalibrated" if make is _recalibrated_data else "")
            svg = render(figure, data, colours)
            write_text(folder / f"{name}.svg", svg)
            write_table(folder / f"{name}.csv", data)
            alt = f"{cohort.name}: {words}."
            pictures.append(picture_of(svg, name, f"{words}.", alt, folder=folder.name))
        own = table[table["cohort"] == cohort.name].set_index("measure")
        events = int(cohort.outcome.event.sum())
        lead = f"{count(len(cohort.outcome), 'patient')}, {count(events, 'event')}, "
        if cohort.outcome.competing is not None:
            lead += f"{count(int(cohort.outcome.competing.sum()), 'other event')} that came first, "
        lead += f"followed for up to {cohort.outcome.time.max():.1f} months"
        if "observed_expected" in own.index:
            lead += f"; the horizon is {cohort.horizon:.4g} months, the median time of the events"
        sections.append({"id": stem, "title": cohort.name, "lead": lead, "pictures": pictures, "absent": absent})
        sections[-1]["again"] = _again(own)
    values: dict[str, Any] = {
        "source": source,
        "learned": learned,
        "sections": sections,
        "table": _rows(cohorts, table),
    }
    found = set(table["measure"])
    values["meanings"] = [f"{_label(name)}: {_meaning(name)}." for name in MEASURES if name in found and _meaning(name)]
    values["notes"] = list(dict.fromkeys(table.attrs["notes"]))
    write_text(page, rendered("validation.html", **values))
    return page


def _recalibrated_data(cohort: ExternalCohort) -> pd.DataFrame:
    return external_calibration_data(cohort, recalibrated(cohort))


def _rows(cohorts: Sequence[ExternalCohort], table: pd.DataFrame) -> list[list[str]]:
    header = ["Measure", *(cohort.name for cohort in cohorts)]
    found = set(table["measure"])
    rows = [header, ["Patients (events)", *(f"{len(c.outcome)} ({int(c.outcome.event.sum())})" for c in cohorts)]]
    for name in MEASURES:
        if name in found:
            rows.append([_label(name), *(_cell(table, cohort.name, name) for cohort in cohorts)])
    return rows


def _again(own: pd.DataFrame) -> list[list[str]]:
    rows, values = [["Measure", "As predicted", "Recalibrated"]], own["value"].to_dict()
    for name, of in AGAIN.items():
        if name in values and of in values:
            rows.append([metric_words(of).label, metric_text(of, values[of]), metric_text(of, values[name])])
    return rows if len(rows) > 1 else []


def _cell(table: pd.DataFrame, cohort: str, measure: str) -> str:
    found = table[(table["cohort"] == cohort) & (table["measure"] == measure)]
    if not len(found) or not is_number(found["value"].iloc[0]):
        return DASH
    row = found.iloc[0]
    if measure in P_VALUES:
        return metric_text("log_rank_p", row["value"])
    text = metric_text(measure, row["value"]) if not MEASURES[measure] else number(row["value"], 2)
    digits = 2 if MEASURES[measure] else metric_words(measure).digits
    spread = interval(row["low"], row["high"], digits)
    return f"{text} ({spread})" if spread else text


def _label(measure: str) -> str:
    return MEASURES[measure] or metric_words(measure).label


def _meaning(measure: str) -> str:
    return MEANINGS.get(measure) or metric_words(measure).meaning
