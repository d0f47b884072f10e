"""Goldens of the evaluation."""

from tests.evaluation.golden_metrics import check_common_survival_metrics as check_arrays

from .case import Case


def check_common_survival_metrics(case: Case) -> None:
    check_arrays(case.arrays)
