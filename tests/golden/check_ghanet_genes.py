"""Goldens of G-HANet's differential genes and of its measure of reconstruction."""

from itertools import pairwise

import numpy as np
import pandas as pd

from prognoscope.core.genes import GeneSelection
from prognoscope.evaluation.rank_correlation import spearman
from prognoscope.omics.differential import choose_genes, deseq2, risk_groups, welch

from .case import Case


def check_ghanet_differential(case: Case) -> None:
    arrays, alpha = case.arrays, case.meta["alpha"]
    out = {name.removeprefix("out:"): array for name, array in arrays.items() if name.startswith("out:")}
    low, high = risk_groups(arrays["in:bin"], arrays["in:censorship"] == 0, n_bins=2 * case.meta["half_bin"])
    np.testing.assert_array_equal(low, out["low"])
    np.testing.assert_array_equal(high, out["high"])

    patients = [f"P{i}" for i in range(len(low))]
    genes = [f"G{i}" for i in range(arrays["in:z"].shape[1])]
    counts = pd.DataFrame(arrays["in:counts"], patients, genes)
    found = deseq2(counts, low, high, alpha=alpha, least_total=case.meta["min_total_count"])
    for ours, name in (("log2_fold_change", "log2fc"), ("p", "pvalue"), ("p_adjusted", "padj")):
        np.testing.assert_allclose(found[ours], out[f"deseq_{name}"], rtol=1e-3, atol=0)  # NaN where theirs is

    z, drawn = arrays["in:z"].astype(np.float64), arrays["in:resample_index"]
    np.testing.assert_allclose(welch(z, low, high), out["welch_pvalue"], rtol=1e-6, atol=1e-12)
    resampled = welch(z[drawn], low[drawn], high[drawn])
    np.testing.assert_allclose(resampled, out["welch_resampled_pvalue"], rtol=1e-6, atol=1e-12)

    ends = np.cumsum([0, *case.meta["sizes"]])
    groups = {f"group {i}": tuple(genes[a:b]) for i, (a, b) in enumerate(pairwise(ends))}
    table = pd.DataFrame(z, patients, genes)
    np.testing.assert_array_equal(found["p_adjusted"] < alpha, out["deseq_selected"])
    for rule in ("welch", "welch_resampled"):
        selection = GeneSelection(rule, alpha=alpha, **{"min_genes": 0, **case.options("adjust", "min_genes")})
        chosen = choose_genes(table, groups, low, high, selection, drawn=drawn)
        np.testing.assert_array_equal(chosen.table["kept"].to_numpy(bool), out[f"{rule}_selected"])


def check_ghanet_spearman(case: Case) -> None:
    predicted, measured = case.arrays["in:pred"], case.arrays["in:true"]
    for axis in ("gene", "patient"):
        ours = spearman(predicted, measured, axis=axis)
        np.testing.assert_allclose(ours, case.arrays[f"out:per_{axis}"], rtol=0, atol=case.atol)
        np.testing.assert_allclose(np.nanmean(ours), case.arrays[f"out:mean_per_{axis}"], rtol=0, atol=case.atol)
