"""Who of the held-out patients is at high risk, and where the cut between the groups comes from."""

from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from prognoscope.core.errors import MetricError, some
from prognoscope.evaluation.gray import gray_test
from prognoscope.evaluation.group_tests import log_rank
from prognoscope.evaluation.risk_groups import median_risk, split_by_risk
from prognoscope.runs.read import Run
from prognoscope.runs.tables import numbered_columns

CutFrom = Literal["train", "pooled", "fold"]


def cut_from(run: Run, method: str) -> CutFrom:
    """What the study asked for; "pooled" where a fold kept no risks of its training part, as in runs of before."""
    held_out, score = run.method(method), score_of(run)
    known = {fold for fold, table in held_out.training_risks.items() if score != "survival" or "S_0" in table}
    return "train" if run.provenance.cut_from == "train" and set(held_out.tested) <= known else "pooled"


def score_of(run: Run) -> Literal["risk", "survival"]:
    """By what patients are put into groups: the predicted risk, or survival at the middle time."""
    return "survival" if run.provenance.split == "survival" else "risk"


def high_risk(run: Run, method: str, cut: CutFrom | None = None) -> Bool[np.ndarray, " P"]:
    """Whether each held-out patient is at high risk, in the order of the method's predictions.

    Args:
        cut: "train": at or above the median risk of the training part of the patient's fold, by the same model;
            "pooled": of all held-out patients; "fold": of the held-out patients of the same fold. None: see `cut_from`.
            Where the study asks for it, minus the chance of outliving the middle time takes the place of the risk.

    Raises:
        MetricError: One of the groups is empty, or a patient is held out twice.
    """
    held_out = run.method(method)
    table = held_out.predictions
    if twice := table.loc[table["patient_id"].duplicated(), "patient_id"].tolist():
        raise MetricError(f"{len(twice)} patients are held out in several folds, {some(twice)}, and cannot be pooled.")
    risk, cut = _score(run, table), cut or cut_from(run, method)
    if cut == "pooled":
        return split_by_risk(risk)
    tables = held_out.training_risks if cut == "train" else held_out.tested
    cuts = {fold: median_risk(_score(run, tables[fold])) for fold in held_out.tested}
    return split_by_risk(risk, cut=table["fold"].map(cuts).to_numpy(float))


def _score(run: Run, table: pd.DataFrame) -> Float[np.ndarray, " P"]:
    survival = table[numbered_columns(table, "S_")].to_numpy(float)
    return score_in(table["risk"].to_numpy(float), survival, by_survival=score_of(run) == "survival")


def score_in(
    risk: Float[np.ndarray, " P"], survival: Float[np.ndarray, "P K"], *, by_survival: bool
) -> Float[np.ndarray, " P"]:
    """Higher is worse; survival is that at the end of the second of four bins, the last of the first half."""
    return -survival[:, max(survival.shape[1] // 2 - 1, 0)] if by_survival else risk


def need_two_states(run: Run) -> None:
    """Refuse a run in which other events compete, for what compares survival.

    Raises:
        MetricError: They do.
    """
    if run.has_competing:
        raise MetricError(
            "Other events compete with the event of interest, which this does not know. Take gray_p and "
            "the cumulative incidence."
        )


def log_rank_p(run: Run, method: str, cut: CutFrom | None = None) -> float:
    """The log-rank p between the risk groups, cut as `high_risk` says.

    Raises:
        MetricError: One of the groups is empty, or nothing can be tested.
    """
    need_two_states(run)
    outcome = run.method(method).outcome
    return log_rank(high_risk(run, method, cut), time=outcome.time, event=outcome.event).p


def gray_p(run: Run, method: str) -> float:
    """The p of Gray's test between the risk groups, where other events compete.

    Raises:
        MetricError: None does, one of the groups is empty, or nothing can be tested.
    """
    outcome = run.method(method).outcome
    if outcome.competing is None:
        raise MetricError("No other event competes. Take log_rank_p.")
    told = {"time": outcome.time, "event": outcome.event, "competing": outcome.competing}
    return gray_test(high_risk(run, method), **told).p
