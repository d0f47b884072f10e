"""Which methods of a study are compared with which, and the rows of its ablation tables and sweeps."""

from collections.abc import Sequence
from itertools import combinations

from prognoscope.analysis.ablation_table import AblationRow
from prognoscope.analysis.sweep_table import SweepRow
from prognoscope.models.registry import card_of
from prognoscope.study.method_section import MethodSection
from prognoscope.study.sections import TrainingSettings
from prognoscope.study.vary import Point, SweepSection, same_value, word_of


def pairs_of(methods: Sequence[MethodSection]) -> list[tuple[str, str]]:
    """Which methods of a study are compared: every two of them; ablations and points of sweeps with their own only."""
    wholes = [method.title for method in methods if method.part_of is None]
    parts = [(method.title, method.part_of) for method in methods if method.part_of is not None]
    return [*combinations(wholes, 2), *parts]


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


def sweep_rows_of(methods: Sequence[MethodSection], general: TrainingSettings) -> list[SweepRow]:
    """The points of all sweeps, in their order; those of methods that are not given are left out.

    The method's own values are always among them: where they were not listed, numbers stand in their place, others
    first.

    Args:
        general: What the study asks of all trainings.
    """
    titles, rows = {method.title for method in methods}, []
    for method in methods:
        for sweep in method.sweeps:
            own = method.own_point(tuple(sweep.values), general)
            for point, row in _with_own(sweep, own):
                title = method.title_at(point, general)
                if title in titles:
                    rows.append(_sweep_row(method.title, sweep, point, row, title))
    return rows


def _sweep_row(of: str, sweep: SweepSection, point: Point, row: str, title: str) -> SweepRow:
    words = {key: "default" if value is None else word_of(value) for key, value in point.items()}
    first, *others = words
    line = ", ".join(f"{key} = {words[key]}" for key in others)
    return SweepRow(of, sweep.label, first, line, words[first], row or _named(words), title)


def _named(words: dict[str, str]) -> str:
    return ", ".join(f"{key} = {word}" for key, word in words.items())


def _with_own(sweep: SweepSection, own: Point) -> list[tuple[Point, str]]:
    """The points with the paper's names, the method's own among them."""
    points = sweep.points
    points = list(zip(points, sweep.rows or [""] * len(points), strict=True))
    if any(all(same_value(point[key], own[key]) for key in own) for point, _ in points):
        return points
    place, values = 0, [point[key] for point, _ in points for key in point]
    if len(own) == 1 and all(_is_number(value) for value in (*values, *own.values())):
        place = sum(value < next(iter(own.values())) for value in values)
    return [*points[:place], (own, ""), *points[place:]]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
