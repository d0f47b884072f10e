"""How well methods that learn to tell genes from slides tell those of held-out patients."""

import pandas as pd

from prognoscope.report.run_folder import RunFolder, read_run_csv

COLUMNS = ("group", "gene", "spearman")


def reconstruction_data(run: RunFolder, method: str) -> pd.DataFrame:
    """A row for each gene of each group that the method tells: its Spearman correlation, the mean of its folds.

    Returns:
        method, optimistic, group, gene, folds (in how many the gene was chosen and its correlation is defined),
        spearman. No rows for a method that tells none.
    """
    files = sorted((run.folder / method).glob("fold_*/reconstruction.csv"))
    parts = [read_run_csv(path, COLUMNS, text=("group", "gene")) for path in files]
    if not parts:
        return pd.DataFrame(columns=["method", "optimistic", "group", "gene", "folds", "spearman"])
    told = pd.concat(parts, ignore_index=True).dropna(subset="spearman")
    table = told.groupby(["group", "gene"], sort=False)["spearman"].agg(folds="count", spearman="mean").reset_index()
    table.insert(0, "method", method)
    table.insert(1, "optimistic", method in run.optimistic)
    return table
