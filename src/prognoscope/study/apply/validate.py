"""Predictions of patients who were followed -> the external validation of what predicted them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from prognoscope.analysis.external import ExternalCohort, external_table
from prognoscope.core.outcome import Outcome, Prediction
from prognoscope.core.words import count
from prognoscope.report.validation_page import write_validation
from prognoscope.study.apply.predict import Applied


def validate(found: Sequence[Applied], to: Path, *, draws: int = 1000) -> tuple[Path | None, list[str]]:
    """Measure the predictions of cohorts that tell what became of their patients.

    Args:
        to: The file of predictions, beside which the page goes.

    Returns:
        The page, None where no cohort can be measured, and sentences on those that cannot.
    """
    followed = [(each, each.outcome) for each in found if each.outcome is not None]
    said = [
        f"Nobody of {each.name} has an event, so it validates nothing."
        for each, outcome in followed
        if not outcome.event.any()
    ]
    with_events = [(each, outcome) for each, outcome in followed if outcome.event.any()]
    if not with_events:
        return None, said
    cohorts = [_external(each, outcome) for each, outcome in with_events]
    table = external_table(cohorts, draws=draws)
    table.attrs["notes"] = [*(said for each, _ in with_events for said in each.measured), *table.attrs["notes"]]
    ensemble = found[0].ensemble
    card = ensemble.voices[0].summary
    learned = f"None of these patients taught {ensemble.title}"
    if ensemble.run is None:
        learned = "An exported model tells of none of whom it learned from, so who of these patients taught "
        learned += f"{ensemble.title} is not known"
    if kept := sum(len(each.new.learned) for each, _ in with_events):
        learned = f"Not external: {ensemble.title} learned from {count(kept, 'patient')} who were kept in these cohorts"
    voices = "one model of all patients" if ensemble.final else f"the mean of {count(len(ensemble.folds), 'model')}"
    of = "" if ensemble.final or len(ensemble.folds) == 1 else " each"
    spoken = "" if card is None else f", of {card.patients} patients{of}"
    page = write_validation(
        cohorts, table, to, source=ensemble.title, learned=f"{learned}: {voices}{spoken}. All times are in months."
    )
    return page, said


def _external(applied: Applied, outcome: Outcome) -> ExternalCohort:
    ensemble, table = applied.ensemble, applied.table.set_index("patient_id").loc[list(outcome.patients)]
    survival = table[[f"S_{k}" for k in range(len(ensemble.months))]].to_numpy(float)
    outcome = replace(outcome, time=outcome.time.astype(np.float64))
    prediction = Prediction(outcome.patients, table["risk"].to_numpy(float), survival)
    is_high = None if (table["risk_group"] == "").any() else (table["risk_group"] == "high").to_numpy()
    return ExternalCohort(applied.name, ensemble.title, prediction, ensemble.months, outcome, is_high)
