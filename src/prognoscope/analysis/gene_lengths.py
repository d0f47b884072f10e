"""How many genes each group had before and after a method chose among them, means over folds: G-HANet's Table 1."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from prognoscope.analysis.published import known_cohort
from prognoscope.runs.read import Run
from prognoscope.runs.tables import GENE_LENGTHS

# G-HANet, Table 1: genes kept of tumour suppression, oncogenesis, protein kinases, differentiation, transcription, and
# cytokines and growth, in the mean of five folds.
PUBLISHED = {
    "BLCA": (20.2, 73.8, 102.2, 94.8, 351.6, 78.2),
    "BRCA": (30.2, 123.2, 109.6, 171.4, 538.6, 165.8),
    "GBMLGG": (34.6, 129.8, 177.4, 139.8, 535.2, 126.4),
    "LUAD": (20.0, 87.8, 146.4, 171.4, 386.2, 128.2),
    "UCEC": (1.2, 8.4, 7.2, 8.0, 24.0, 5.4),
}
FUNCTIONS = ("tumor", "onco", "kinase", "differentiation", "transcription", "cytokine")  # begin or stand in the names


def gene_lengths(cohort: str, method: str, chosen: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """The numbers of genes of each group, means over folds.

    Args:
        cohort: Whose published numbers stand beside, where its name tells.
        chosen: Fold -> columns of `GENES`: every gene, and whether it was kept.

    Returns:
        Columns of `GENE_LENGTHS`: before, after, sd (of after over folds, ddof 0), published (NaN where unknown).
    """
    groups = list(dict.fromkeys(group for table in chosen.values() for group in table["group"]))
    before, after = ([_by_group(t, groups, only_kept=kept) for t in chosen.values()] for kept in (False, True))
    rules = sorted({str(rule) for table in chosen.values() for rule in table["rule"]})
    table = pd.DataFrame({"group": groups, "before": np.mean(before, axis=0), "after": np.mean(after, axis=0)})
    table["sd"], table["folds"], table["rule"] = np.std(after, axis=0), len(chosen), ", ".join(rules)
    table["published"] = [_published(cohort, group) for group in groups]
    return table.assign(cohort=cohort, method=method)[list(GENE_LENGTHS.columns)]


def gene_lengths_of(run: Run, methods: tuple[str, ...] | None = None) -> pd.DataFrame:
    """The same of all methods of a run that chose among genes; no rows where none did."""
    titles = tuple(run.methods) if methods is None else methods
    found = [gene_lengths(run.name, title, chosen) for title in titles if (chosen := run.method(title).chosen_genes)]
    return pd.concat(found, ignore_index=True) if found else GENE_LENGTHS.empty()


def _by_group(table: pd.DataFrame, groups: list[str], *, only_kept: bool) -> np.ndarray:
    counted = table[table["kept"].astype(bool)] if only_kept else table
    return counted.groupby("group").size().reindex(groups, fill_value=0).to_numpy(float)


def _published(cohort: str, group: str) -> float:
    known = PUBLISHED.get(known_cohort(cohort) or "")
    at = [i for i, word in enumerate(FUNCTIONS) if word in group.casefold()]
    return known[at[0]] if known is not None and len(at) == 1 else float("nan")
