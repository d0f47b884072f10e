"""Names, numbers and metrics as a reader sees them."""

import math
from dataclasses import dataclass
from typing import SupportsFloat

MINUS, DASH = "\u2212", "\u2013"  # a true minus sign; the dash that stands for no number


@dataclass(frozen=True, slots=True)
class MetricWords:
    """How a metric is spoken of."""

    label: str
    meaning: str
    digits: int = 3
    is_p: bool = False  # a p-value, which may be as small as it likes


METRIC_WORDS = {
    "c_index": MetricWords(
        "C-index", "chance that of two patients the one with the higher risk has the event first; 0.5 is chance"
    ),
    "c_index_ipcw": MetricWords("C-index, IPCW", "the same, weighted so that censoring does not bias it"),
    "integrated_brier": MetricWords("Integrated Brier", "mean squared error of predicted survival; lower is better"),
    "auc": MetricWords(
        "AUC over time", "how well risk tells who has the event by a time from who has not, averaged over times"
    ),
    "d_calibration_p": MetricWords(
        "D-calibration p",
        "of all patients together; small where predicted survival does not fit what was seen",
        is_p=True,
    ),
    "log_rank_p": MetricWords(
        "Log-rank p", "two-sided, between the groups at high and at low predicted risk of all patients", is_p=True
    ),
    "gray_p": MetricWords(
        "Gray's p", "that the groups at high and at low predicted risk have the same cumulative incidence", is_p=True
    ),
    "hazard_ratio": MetricWords("Hazard ratio", "of the group at high predicted risk over that at low risk", 2),
    "subtype_accuracy": MetricWords("Subtype accuracy", "share of patients whose subtype was predicted"),
    "subtype_auroc": MetricWords("Subtype AUROC", "how well the subtype is told apart; 0.5 is chance"),
}


def metric_words(metric: str) -> MetricWords:
    """How a metric is spoken of; one that is not known here by its own name."""
    return METRIC_WORDS.get(metric, MetricWords(metric.replace("_", " "), ""))


def is_number(value: SupportsFloat | None) -> bool:
    """Whether there is a finite number to show."""
    return value is not None and math.isfinite(float(value))


def number(value: SupportsFloat | None, digits: int = 3, *, sign: bool = False) -> str:
    """A number with a true minus sign, a dash where there is none."""
    if value is None or not is_number(value):
        return DASH
    text = f"{round(float(value), digits) + 0.0:{'+' if sign else ''}.{digits}f}"  # no minus before a zero
    return text.replace("-", MINUS)


def interval(low: SupportsFloat | None, high: SupportsFloat | None, digits: int = 3, *, sign: bool = False) -> str:
    """`low to high`, "" where there is none."""
    if not (is_number(low) and is_number(high)):
        return ""
    return f"{number(low, digits, sign=sign)} to {number(high, digits, sign=sign)}"


def p_text(p: SupportsFloat | None, *, name: str = "p") -> str:
    """`p = 0.023`, `p < 0.001`, or that it was not computed."""
    if p is None or not is_number(p):
        return f"{name} not computed"
    return f"{name} < 0.001" if float(p) < 0.001 else f"{name} = {float(p):.{3 if float(p) < 0.1 else 2}f}"


def p_cell(p: SupportsFloat | None) -> str:
    """A p-value in a column that says p."""
    return DASH if not is_number(p) else p_text(p, name="").replace(" = ", "").strip()


def metric_text(metric: str, value: SupportsFloat | None) -> str:
    """A value of a metric in its own digits; a p-value below 0.001 as a power of ten."""
    words = metric_words(metric)
    if value is not None and words.is_p and is_number(value) and float(value) < 0.001:
        return f"{float(value):.1e}"
    return number(value, words.digits)


def pair_name(a: str, b: str) -> str:
    """The first method minus the second."""
    return f"{a} {MINUS} {b}"


def optimistic_name(name: str, optimistic: bool) -> str:
    """A method's name with the warning that its numbers flatter it."""
    return f"{name} (optimistic)" if optimistic else name
