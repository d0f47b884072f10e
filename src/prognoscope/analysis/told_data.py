"""How well methods tell genes from slides: by gene over patients, and by patient over genes; G-HANet's Fig. 4."""

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


def told_data_of(runs: list[Run], *, by_patient: bool = False) -> pd.DataFrame:
    """The same of several runs, with the cohort of each; of each run its first method that tells genes."""
    data_of, parts = told_patients_data if by_patient else reconstruction_data, []
    for run in runs:
        tables = (data_of(run, method) for method in run.methods)
        if (table := next((each for each in tables if len(each)), None)) is not None:
            parts.append(table.assign(cohort=run.name))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*BY_GENE, "cohort"])
