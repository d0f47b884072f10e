"""The patients of a run as the viewer lists them, and the survival that methods predict for one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from prognoscope.core.errors import InputError
from prognoscope.evaluation.competing import event_free, event_free_name
from prognoscope.report.axes import in_lines
from prognoscope.report.style import INK, QUIET, figure_style, method_colours, to_svg
from prognoscope.runs.read import Run

Row = Mapping[Any, Any]  # of a table
MOST_BEHIND = 60  # curves of other patients that are drawn


@dataclass(frozen=True, eq=False)
class Patients:
    """Everybody whom a method of the run was tested on."""

    run: Run

    @cached_property
    def predictions(self) -> Mapping[str, Mapping[str, Row]]:
        """Method -> patient -> its held-out prediction, the first of whoever was held out more than once."""
        tables = {title: each.predictions.drop_duplicates("patient_id") for title, each in self.run.methods.items()}
        told = {}
        for title, table in tables.items():
            table = table.assign(rank=table["risk"].rank(pct=True) * 100)
            told[title] = {str(row["patient_id"]): row for row in table.to_dict("records")}
        return told

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One a patient: id, months, event, whether another came first, and by method fold, risk, percentile."""
        outcome = self.run.outcomes
        other = set() if outcome.competing is None else set(np.array(outcome.patients)[outcome.competing].tolist())
        rows = []
        for patient, time, event in zip(outcome.patients, outcome.time.tolist(), outcome.event.tolist(), strict=True):
            told = {name: by_patient[patient] for name, by_patient in self.predictions.items() if patient in by_patient}
            if told:
                by_method = {
                    name: {"fold": int(row["fold"]), "risk": float(row["risk"]), "rank": float(row["rank"])}
                    for name, row in told.items()
                }
                ended = {"time": time, "event": bool(event), "other": patient in other}
                rows.append({"patient": patient, **ended, "by_method": by_method})
        return rows

    @cached_property
    def known(self) -> frozenset[str]:
        """The ids of them all."""
        return frozenset(row["patient"] for row in self.rows)

    def survival_figure(self, patient: str) -> str:
        """An SVG: what each method predicts for a patient, the curve of the whole cohort behind it.

        Raises:
            InputError: The run has no such patient.
        """
        if patient not in self.known:
            raise InputError("The run has no such patient.")
        colours = method_colours(self.predictions)
        row = next(row for row in self.rows if row["patient"] == patient)
        with figure_style():
            figure = Figure(figsize=(4.6, 2.7 + 0.1 * (3 + len(self.predictions))), layout="constrained")
            axes = figure.add_subplot()
            outcome = self.run.held_out
            curve = event_free(outcome)
            times, survival = np.append(0.0, curve.time), np.append(1.0, curve.survival)
            everybody = f"Everybody ({event_free_name(outcome)})"
            axes.step(times, survival, where="post", color=QUIET, lw=1.2, ls=(0, (4, 2)), label=everybody)
            longest = float(times[-1])
            for name, by_patient in self.predictions.items():
                for other in list(by_patient.values())[:: max(1, len(by_patient) // MOST_BEHIND)]:
                    axes.plot(*_curve(other), color=colours[name], lw=0.5, alpha=0.12, zorder=1)
            for name, by_patient in self.predictions.items():
                if patient in by_patient:
                    months, predicted = _curve(by_patient[patient])
                    axes.plot(months, predicted, color=colours[name], lw=2.2, label=in_lines(f"{name}, this patient"))
                    longest = max(longest, float(months[-1]))
            word = "event" if row["event"] else "another event first" if row["other"] else "last seen without event"
            axes.axvline(row["time"], color=INK, lw=1, ls=":", label=in_lines(f"{word} at {row['time']:.1f} months"))
            axes.set(xlim=(0, longest * 1.02), ylim=(0, 1.03), xlabel="Months", ylabel="Without event")
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
            axes.grid(axis="y")
            figure.legend(loc="outside lower left", ncols=2, handlelength=1.8)  # over the curves it would hide some
            return to_svg(figure)


def _curve(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Months and survival, from 1 at the beginning; straight between. Nothing of runs that told no months."""
    told = [(row[f"months_{k}"], row[f"S_{k}"]) for k in range(len(row)) if f"S_{k}" in row and f"months_{k}" in row]
    return np.array([0.0, *(month for month, _ in told)]), np.array([1.0, *(chance for _, chance in told)])
