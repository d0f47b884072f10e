"""How well methods tell genes from slides: by gene over patients, and by patient over genes; G-HANet's Fig. 4."""

from collections.abc import Mapping, Sequence

import pandas as pd

from prognoscope.runs.read import Run

BY_GENE = ["method", "optimistic", "group", "gene", "folds", "spearman"]
BY_PATIENT = ["method", "optimistic", "group", "patient_id", "genes", "spearman"]


def reconstruction_data(run: Run, method: str) -> pd.DataFrame:
    """A row for each gene of each group that the method tells: its Spearman correlation, the mean of its folds.

    Returns:
        method, optimistic, group, gene, folds (in how many the gene was chosen and its correlation is defined),
        spearman. No rows for a method that tells none.
    """
    parts = [table for _, table in sorted(run.methods[method].reconstructions.items())]
    if not parts:
        return pd.DataFrame(columns=BY_GENE)
    told = pd.concat(parts, ignore_index=True).dropna(subset="spearman")
    table = told.groupby(["group", "gene"], sort=False)["spearman"].agg(folds="count", spearman="mean").reset_index()
    return table.assign(method=method, optimistic=method in run.optimistic)[BY_GENE]


def told_patients_data(run: Run, method: str) -> pd.DataFrame:
    """A row for each group and held-out patient: the Spearman correlation over the genes of the group.

    Returns:
        method, optimistic, group, patient_id, genes (how many), spearman. No rows for a method that tells none.
    """
    parts = [table for _, table in sorted(run.methods[method].told_patients.items())]
    if not parts:
        return pd.DataFrame(columns=BY_PATIENT)
    table = pd.concat(parts, ignore_index=True).dropna(subset="spearman")
    order = {group: i for i, group in enumerate(dict.fromkeys(table["group"]))}
    table = table.sort_values("group", key=lambda group: group.map(order), kind="stable", ignore_index=True)
    return table.assign(method=method, optimistic=method in run.optimistic)[BY_PATIENT]


def told_data_of(cohorts: Mapping[str, Sequence[Run]], *, by_patient: bool = False) -> pd.DataFrame:
    """The same of several cohorts; of each the first method that tells genes, in the mean over its runs.

    Args:
        cohorts: Title of a cohort -> its runs, which differ in their seeds.
    """
    data_of, parts = told_patients_data if by_patient else reconstruction_data, []
    for title, runs in cohorts.items():
        method = next((name for name in runs[0].methods if len(data_of(runs[0], name))), None)
        if method is not None:
            parts.append(_mean_of([data_of(run, method) for run in runs]).assign(cohort=title))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*BY_GENE, "cohort"])


def _mean_of(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean correlation of each gene or patient over several runs; how many there were is told of the first."""
    *keys, counted, value = tables[0].columns
    return pd.concat(tables).groupby(keys, sort=False, as_index=False).agg({counted: "first", value: "mean"})
