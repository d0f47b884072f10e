"""How many genes a study's folds keep of each group, from its tables alone: no slide is read and nothing trained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from prognoscope.analysis.gene_lengths import gene_lengths, gene_lengths_of
from prognoscope.cohort.preparation import Preparation
from prognoscope.cohort.splits import make_splits
from prognoscope.core.errors import StudyError
from prognoscope.models.registry import card_of, profile_of
from prognoscope.runs.read import Run, open_finished
from prognoscope.runs.seeds import runs_in, titles_of
from prognoscope.study.inputs import read_cohort
from prognoscope.study.jobs import bins_of
from prognoscope.study.study_file import StudyFile

WHOSE = "ghanet"  # the method that chooses among genes


def lengths_of(paths: Sequence[Path]) -> tuple[dict[str, list[Run]], pd.DataFrame]:
    """The runs in these folders, and the lengths of gene groups in all folders and study files, by cohort.

    Of a folder of seeds, in all of which the same genes were chosen, the lengths are those of the first.

    Raises:
        StudyError: A run has no method that chooses among genes, or a study no genes.
        PrognoscopeError: A run or study cannot be used.
    """
    runs, parts, names = {}, [], []
    for path in paths:
        if path.is_dir():
            runs[path] = [open_finished(each) for each in runs_in(path)]
            names.append(runs[path][0].name)
            parts.append(gene_lengths_of(runs[path][0]))
            if parts[-1].empty:
                raise StudyError(f"No method of {path} chose among genes. Name a run of {WHOSE}, or a study file.")
        else:
            study = StudyFile.load(path)
            names.append(study.spec.name)
            parts.append(lengths_of_study(study))
    titles = titles_of(names, paths)
    lengths = [part.assign(cohort=title) for part, title in zip(parts, titles, strict=True)]
    of_path = dict(zip(paths, titles, strict=True))
    return {of_path[path]: found for path, found in runs.items()}, pd.concat(lengths, ignore_index=True)


def lengths_of_study(study: StudyFile, options: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """G-HANet's Table 1 of a study: its genes before and after they were chosen, in the training part of each fold.

    Args:
        options: Of the method, such as its `differential`; by default those of the study's entry of it, and without one
            those of the paper.

    Returns:
        Columns of `GENE_LENGTHS`.

    Raises:
        StudyError: The study has no genes.
        PrognoscopeError: Its tables or folds cannot be used.
    """
    entry = next((each for each in study.spec.methods if each.name == WHOSE), None)
    if options is None:
        options = card_of(WHOSE).as_published if entry is None else entry.options
    cohort = read_cohort(study.spec.name, study.where)
    if cohort.omics is None:
        raise StudyError("This study has no genes to choose among. Give cohort.omics in the study file.")
    cohort = cohort.needing({"omics"})
    selection, chosen = profile_of(WHOSE, options).gene_selection, {}
    for split in make_splits(cohort, study.splits):
        fitted = Preparation.fit(cohort, (*split.train, *split.validation), **bins_of(study.spec), selection=selection)
        assert fitted.genes is not None  # there is a selection
        chosen[split.fold] = fitted.genes.table
    return gene_lengths(study.spec.name, WHOSE if entry is None else entry.title, chosen)
