"""Every table that is computed from the folds of a run, at once, so that each of their files is read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from prognoscope.analysis.ablation_table import AblationRow, ablation_table
from prognoscope.analysis.by_modality import modality_table
from prognoscope.analysis.common_patients import Folds, on_common_patients
from prognoscope.analysis.cost_table import cost_table
from prognoscope.analysis.gene_lengths import gene_lengths_of
from prognoscope.analysis.metric_table import metric_table
from prognoscope.analysis.optimism_table import optimism_table
from prognoscope.analysis.pair_table import pair_table
from prognoscope.analysis.setting_table import setting_table
from prognoscope.analysis.surgery_table import surgery_table
from prognoscope.analysis.sweep_table import SweepRow, sweep_table
from prognoscope.core.errors import MetricError, some
from prognoscope.core.words import count
from prognoscope.runs.read import Run
from prognoscope.runs.tables import (
    ABLATIONS,
    BY_MODALITY,
    COMPARISON,
    COSTS,
    GENE_LENGTHS,
    METRICS,
    OPTIMISM,
    SETTINGS,
    SURGERY,
    SWEEPS,
)


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked of a run."""

    methods: tuple[str, ...]  # titles of those whose folds are all done
    pairs: tuple[tuple[str, str], ...]  # which of them to compare
    ablations: tuple[AblationRow, ...] = ()
    sweeps: tuple[SweepRow, ...] = ()
    oracles: Mapping[str, pd.Series] | None = None  # see `metric_table`
    has_surgery: bool = False
    draws: int = 1000
    seed: int = 0
    ddof: int = 0  # of the SD over folds


def write_tables(run: Run, asked: Questions) -> tuple[str, ...]:
    """Write the tables of a run whose folds are done.

    Returns:
        Notes on what is not defined, and on how genes were chosen.
    """
    files, methods = run.files, asked.methods
    draws, seed = asked.draws, asked.seed
    folds = {method: run.folds(method) for method in methods}
    metrics, notes = metric_table(run, folds, draws=draws, seed=seed, ddof=asked.ddof, oracles=asked.oracles)
    METRICS.write(files.metrics, metrics)
    compared, why = _compared(folds)
    files.common_metrics.unlink(missing_ok=True)  # of a run whose methods could predict other patients
    if compared is not folds and compared:
        metrics, _ = metric_table(run, compared, draws=draws, seed=seed, ddof=asked.ddof, oracles=asked.oracles)
        METRICS.write(files.common_metrics, metrics)
    files.by_modality.unlink(missing_ok=True)
    if len(by_modality := modality_table(run, folds, draws=draws, seed=seed)):
        BY_MODALITY.write(files.by_modality, by_modality)
    pairs = pair_table(compared, asked.pairs if compared else (), draws=draws, seed=seed)
    COMPARISON.write(files.comparison, pairs)
    ABLATIONS.write(files.ablations, ablation_table(asked.ablations, metrics, pairs))
    if asked.sweeps:
        SWEEPS.write(files.sweeps, sweep_table(asked.sweeps, metrics, pairs))
    OPTIMISM.write(files.optimism, optimism_table(run, methods, seed=seed))
    COSTS.write(files.costs, cost_table(run, methods))
    if len(chosen := setting_table(run, methods)):
        SETTINGS.write(files.search, chosen)
    if len(lengths := gene_lengths_of(run, methods)):
        GENE_LENGTHS.write(files.gene_lengths, lengths)
    if asked.has_surgery:
        SURGERY.write(files.surgery, surgery_table(run, folds, draws=draws, seed=seed))
    return (*notes, *why, *gene_notes(run, methods))


def _compared(folds: Folds) -> tuple[Folds, tuple[str, ...]]:
    """The folds to compare methods by, and what is to be told of it; no folds where methods cannot be compared."""
    try:
        compared = on_common_patients(folds)
    except MetricError as cause:
        return {}, (str(cause),)
    if compared is folds:
        return folds, ()
    number = sum(len(fold) for fold in next(iter(compared.values())))
    return compared, (
        f"Methods are compared in pairs on the {count(number, 'patient')} whom all of them can predict; their numbers "
        "on these are in common_metrics.csv, those on all patients whom each can predict in metrics.csv.",
    )


def gene_notes(run: Run, methods: Sequence[str]) -> list[str]:
    """What the folds noted of how their genes were chosen, each note once, with the methods that it is of."""
    notes: dict[str, list[str]] = {}
    for method in methods:
        for card in run.method(method).cards.values():
            for note in (card.gene_selection or {}).get("notes", ()):
                of = notes.setdefault(note, [])
                of += [method] * (method not in of)
    return [f"{some(of, len(of))}: {note}" for note, of in notes.items()]
