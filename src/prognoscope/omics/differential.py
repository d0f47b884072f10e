"""Genes that differ between training patients of low and of high risk: which of each group a method is to learn.

Wang et al.: Histo-genomic knowledge distillation for cancer prognosis from histopathology whole slide images (G-HANet).
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from prognoscope.core.errors import OmicsError, some
from prognoscope.core.genes import GeneSelection, kind_of

FEWEST_PATIENTS = 3  # of low and of high risk
LEAST_TOTAL = 10  # counts of a gene over the patients compared; rarer genes are not tested
EXPRESSION = ("rnaseq", "")  # kinds of columns that can be counts
NO_DESEQ2 = (
    "Choosing genes by deseq2 needs pydeseq2, which is not installed. Install prognoscope[deseq2], or choose them by "
    "welch."
)


@dataclass(frozen=True, slots=True)
class ChosenGenes:
    """What a selection kept."""

    table: pd.DataFrame  # group, gene, p, p_adjusted, kept (0 or 1), rule; a row a tested column of each group
    groups: Mapping[str, tuple[str, ...]]  # gene group -> kept columns, in the order of the table; none is empty
    counts: frozenset[str] = frozenset()  # kept columns that hold counts
    notes: tuple[str, ...] = ()


def risk_groups(
    bin: Int[np.ndarray, " P"], event: Bool[np.ndarray, " P"], *, n_bins: int
) -> tuple[Bool[np.ndarray, " P"], Bool[np.ndarray, " P"]]:
    """Who is of low and who of high risk: followed into the later half of the bins; died in the earlier.

    A patient censored in the earlier half is neither.
    """
    low = 2 * bin >= n_bins
    return low, event & ~low


def uses_deseq2(table: pd.DataFrame, selection: GeneSelection) -> bool:
    """Whether genes of this table would be chosen by DESeq2, which takes minutes."""
    return selection.rule == "deseq2" or (selection.rule == "auto" and _are_counts(_expression(table)))


def need_rule(table: pd.DataFrame, selection: GeneSelection) -> None:
    """Nothing, if these values can be compared by the rule; to be asked before anything is trained.

    Raises:
        OmicsError: DESeq2 would be used, but is not installed or has no raw counts.
    """
    if not uses_deseq2(table, selection):
        return
    if find_spec("pydeseq2") is None:
        raise OmicsError(NO_DESEQ2)
    if selection.rule == "deseq2":
        _raw_counts(_expression(table), selection.round_counts)


def choose_genes(
    table: pd.DataFrame,
    groups: Mapping[str, Sequence[str]],
    low: Bool[np.ndarray, " P"],
    high: Bool[np.ndarray, " P"],
    selection: GeneSelection,
    *,
    drawn: Int[np.ndarray, " N"] | None = None,
    clip: float | None = None,
) -> ChosenGenes:
    """The columns of each gene group that differ between patients of low and of high risk.

    Args:
        table: Training patients x all measured columns, raw; a patient without any value is left out of the tests.
        groups: Gene group -> columns to choose from.
        drawn: Rows of the table, with repetitions: the patients of the published `welch_resampled`.
        clip: Values are cut at plus and minus this before a t-test.

    Raises:
        OmicsError: Too few patients of a group, no raw counts where the rule needs them, or no gene to keep.
    """
    expression = _expression(table)
    rule, notes = selection.rule, ()
    if rule == "auto":
        rule = "deseq2" if _are_counts(expression) else "welch"
        if rule == "welch":
            notes = ("Gene expression is not in raw counts, so genes were chosen by Welch's t-test, not by DESeq2.",)
    pairs = [(group, column) for group, members in groups.items() for column in members]
    rows = pd.DataFrame(pairs, columns=["group", "gene"])
    if rule == "none":
        return _chosen(rows.assign(p=np.nan, p_adjusted=np.nan, kept=1, rule=rule), notes)
    columns = list(dict.fromkeys(rows["gene"]))
    counted = [column for column in columns if column in expression] if rule == "deseq2" else []
    tests = []
    if counted:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UserWarning)  # in every fold, not only in the first of a process
            found = deseq2(_raw_counts(expression, selection.round_counts), low, high, alpha=selection.alpha)
        notes += tuple(dict.fromkeys(f"DESeq2: {each.message}" for each in said if each.category is UserWarning))
        tests.append(found.loc[counted, ["p", "p_adjusted"]].assign(rule=rule))
    if others := [column for column in columns if column not in set(counted)]:
        values = table[others].to_numpy(dtype=np.float64)
        values = values if clip is None else np.clip(values, -clip, clip)
        if rule == "welch_resampled" and drawn is None:
            raise OmicsError("welch_resampled needs the patients that were drawn. Give them, or choose genes by welch.")
        if rule != "welch_resampled":
            drawn, rule = np.arange(len(table)), "welch"
        p = welch(values[drawn], low[drawn], high[drawn])
        adjusted = _benjamini_hochberg(p) if selection.adjust == "bh" else p
        tests.append(pd.DataFrame({"p": p, "p_adjusted": adjusted, "rule": rule}, index=others))
    rows = rows.join(pd.concat(tests), on="gene")
    kept = rows["p_adjusted"] < selection.alpha  # never where p is not a number
    for _, members in rows.groupby("group", sort=False):
        if kept[members.index].sum() < selection.min_genes:
            ranked = members.dropna(subset="p").sort_values(["p_adjusted", "p"])  # ties stay in the table's order
            kept[ranked.index[: selection.min_genes]] = True
    if not kept.any():
        raise OmicsError(
            f"None of {len(columns)} genes differs between training patients of low and of high risk. Choose other "
            "genes, raise min_genes, or take all genes with the rule none."
        )
    return _chosen(rows.assign(kept=kept.astype(int)), notes, frozenset(counted))


def welch(
    values: Float[np.ndarray, "P G"], low: Bool[np.ndarray, " P"], high: Bool[np.ndarray, " P"]
) -> Float[np.ndarray, " G"]:
    """The p-value of each column by a two-sided t-test of unequal variances; scaling a column does not change it.

    Missing values are left out. A column that is constant, or known of fewer than two patients of a group, has NaN.

    Raises:
        OmicsError: Fewer than 3 patients of low or of high risk have any value.
    """
    from scipy.stats import ttest_ind_from_stats  # slow to import

    has = ~np.isnan(values).all(axis=1)
    one, other = values[low & has], values[high & has]
    _need_patients(len(one), len(other))
    both = np.concatenate([one, other])
    known = ~np.isnan(both)
    varies = np.where(known, both, np.inf).min(axis=0) < np.where(known, both, -np.inf).max(axis=0)
    p = np.full(values.shape[1], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):  # of groups that are constant each: t is infinite, p is 0
        p[varies] = ttest_ind_from_stats(*_moments(one[:, varies]), *_moments(other[:, varies]), equal_var=False).pvalue
    return p


def deseq2(
    counts: pd.DataFrame,
    low: Bool[np.ndarray, " P"],
    high: Bool[np.ndarray, " P"],
    *,
    alpha: float = 0.05,
    least_total: int = LEAST_TOTAL,
) -> pd.DataFrame:
    """Negative binomial regression of each gene's counts on the risk, high against low, by pydeseq2.

    Args:
        counts: Patients x all measured genes, whole numbers; patients who have none are left out.
        alpha: The level that independent filtering is tuned to.
        least_total: Genes with fewer counts over the patients compared are not tested.

    Returns:
        log2_fold_change, p and p_adjusted of each gene; NaN where it was not tested, filtered or an outlier.

    Raises:
        OmicsError: pydeseq2 is not installed, fewer than 3 patients of low or of high risk have counts, or no gene has
            counts enough.

    Source: Love, Huber, Anders: Moderated estimation of fold change and dispersion for RNA-seq data with DESeq2.
        Genome Biology 2014.
    """
    try:
        from pydeseq2.dds import DeseqDataSet
        from pydeseq2.default_inference import DefaultInference
        from pydeseq2.ds import DeseqStats
    except ImportError as cause:
        raise OmicsError(NO_DESEQ2) from cause
    used = (low | high) & counts.notna().any(axis=1).to_numpy()
    _need_patients(int((used & low).sum()), int((used & high).sum()))
    compared = counts[used].astype(np.int64)
    frequent = compared.columns[compared.sum() >= least_total]
    if not len(frequent):
        raise OmicsError(f"No gene has {least_total} counts over {len(compared)} patients. Check the table of counts.")
    risk = pd.DataFrame({"risk": np.where(high[used], "high", "low")}, index=compared.index)
    inference = DefaultInference(n_cpus=1)  # processes of its own would be slower, and trainings run beside each other
    fitted = DeseqDataSet(
        counts=compared[frequent], metadata=risk, design="~risk", refit_cooks=True, inference=inference, quiet=True
    )
    fitted.deseq2()
    tested = DeseqStats(fitted, contrast=["risk", "high", "low"], alpha=alpha, inference=inference, quiet=True)
    tested.summary()
    names = {"log2FoldChange": "log2_fold_change", "pvalue": "p", "padj": "p_adjusted"}
    return tested.results_df.rename(columns=names)[list(names.values())].astype(np.float64).reindex(counts.columns)


def _moments(values: Float[np.ndarray, "P G"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, SD (ddof 1) and number of the known values of each column."""
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    mean = np.where(known, values, 0).sum(axis=0) / n
    square = (np.where(known, values - mean, 0) ** 2).sum(axis=0)
    return mean, np.sqrt(square / (n - 1)), n


def _benjamini_hochberg(p: Float[np.ndarray, " G"]) -> Float[np.ndarray, " G"]:
    from scipy.stats import false_discovery_control  # slow to import

    adjusted, known = p.copy(), ~np.isnan(p)
    adjusted[known] = false_discovery_control(p[known])
    return adjusted


def _need_patients(low: int, high: int) -> None:
    if min(low, high) < FEWEST_PATIENTS:
        raise OmicsError(
            f"Genes cannot be compared between {low} training patients of low risk and {high} of high risk; each group "
            f"needs {FEWEST_PATIENTS}. Use fewer folds or more patients, or take all genes with the rule none."
        )


def _expression(table: pd.DataFrame) -> pd.DataFrame:
    return table[[column for column in table.columns if kind_of(column) in EXPRESSION]]


def _are_counts(expression: pd.DataFrame) -> bool:
    """Whether there are values and all are whole numbers from 0 on, not only 0 and 1, as mutations have them."""
    values = expression.dropna(how="all").to_numpy(dtype=np.float64)
    return bool(values.size and ((values >= 0) & (values % 1 == 0)).all() and values.max() > 1)


def _raw_counts(expression: pd.DataFrame, round_counts: bool) -> pd.DataFrame:
    """The counts of the patients, as whole numbers; a row of NaN for a patient without any.

    Raises:
        OmicsError: A value is missing, negative, or fractional while rounding was not asked for.
    """
    counts = expression.round() if round_counts else expression
    values = counts.to_numpy(dtype=np.float64)
    wrong = ~((values >= 0) & (values % 1 == 0)) & ~np.isnan(values).all(axis=1, keepdims=True)
    if wrong.any():
        row, place = np.argwhere(wrong)[0]
        raise OmicsError(
            f"DESeq2 needs raw counts, but {wrong.sum()} values of {some(counts.columns[wrong.any(axis=0)], 3)} are "
            f"missing, negative or fractional: {values[row, place]:g} of patient {counts.index[row]}, the first. Give "
            "raw counts, round expected ones with round_counts, or choose genes by welch."
        )
    return counts


def _chosen(rows: pd.DataFrame, notes: tuple[str, ...], counts: frozenset[str] = frozenset()) -> ChosenGenes:
    kept = rows[rows["kept"] == 1]
    if empty := sorted(set(rows["group"]) - set(kept["group"])):
        notes += (f"{len(empty)} gene groups without a gene that could be compared were left out: {some(empty)}.",)
    groups = {str(name): tuple(members["gene"]) for name, members in kept.groupby("group", sort=False)}
    table = rows[["group", "gene", "p", "p_adjusted", "kept", "rule"]]
    return ChosenGenes(table, groups, counts & set(kept["gene"]), notes)
