"""Which methods of a study are compared with which, and the rows of the ablation tables that it asks for."""

from collections.abc import Sequence
from itertools import combinations

from prognoscope.analysis.ablation_table import AblationRow
from prognoscope.models.registry import card_of
from prognoscope.study.spec import MethodSection


def pairs_of(methods: Sequence[MethodSection]) -> list[tuple[str, str]]:
    """Which methods of a study are compared: every two of them, and each ablation with its whole method only."""
    wholes = [method.title for method in methods if method.ablation_of is None]
    ablated = [(method.title, method.ablation_of) for method in methods if method.ablation_of is not None]
    return [*combinations(wholes, 2), *ablated]


def ablation_rows_of(methods: Sequence[MethodSection]) -> list[AblationRow]:
    """The rows of the ablation tables, each as its paper has it, the whole method first or last."""
    rows = []
    for whole in methods:
        ablated = [method for method in methods if method.ablation_of == whole.title]
        if not ablated:
            continue
        card = card_of(whole.name)
        named = [AblationRow(whole.title, method.row or method.title, method.title) for method in ablated]
        named.insert(
            0 if card.whole_is_first else len(named),
            AblationRow(whole.title, card.whole_row or whole.title, whole.title),
        )
        rows += named
    return rows
