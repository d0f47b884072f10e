"""Loss and C-index by epoch, method by method."""

from typing import Any

from prognoscope.analysis.figure_data import history_data
from prognoscope.core.words import listed
from prognoscope.report.learning_words import learning_sentences
from prognoscope.report.number_words import number
from prognoscope.report.page_section import Absence, Plate, Section
from prognoscope.report.style import stems_of
from prognoscope.runs.read import Run


def training_content(run: Run) -> dict[str, Any]:
    """What is to be said of trainings that did not learn; the figures tell the others."""
    said = learning_sentences(run)
    return {"said": said} if said else {}


def training_plates(run: Run) -> list[Plate | Absence]:
    """Two figures a method that has epochs, and which have none."""
    found: list[Plate | Absence] = []
    for name, stem in stems_of(run.methods).items():
        found += _training(run, name, stem)
    without = [name for name, method in run.methods.items() if method.history.empty]
    if without:
        found.append(Absence(f"{listed(without, most=100)}: no training curve, because no epochs were kept."))
    return found


def _training(run: Run, name: str, stem: str) -> list[Plate]:
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
        plates.append(Plate(figure, f"{figure}_{stem}", data, epochs, alt))
    return plates


SECTION = Section("training", "Training", training_content, training_plates)
