"""Finished runs beside each other: what the comparison must know of their methods comes from the registry."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prognoscope.analysis.comparison import Comparison
from prognoscope.analysis.part_rows import Part
from prognoscope.analysis.parts_comparison import set_parts_side_by_side
from prognoscope.analysis.run_columns import Uses
from prognoscope.analysis.run_comparison import set_side_by_side
from prognoscope.models.registry import profile_of
from prognoscope.runs.card import ModelCard


def compare_runs(runs: Sequence[Path | str], part: Part | None = None, **how: Any) -> Comparison:
    """The methods of the runs, by cohort, with what paired intervals over the same patients say of their order.

    Args:
        part: Their "ablations" or "sweeps" instead: the paper's rows, each beside its whole method.
        how: What `set_side_by_side` takes besides: metric, at, ddof, draws, mixed, published, cohort.

    Raises:
        MetricError, InputError: As it says.
    """
    if part is not None:
        return set_parts_side_by_side(part, runs, _uses_of, **how)
    return set_side_by_side(runs, _uses_of, **how)


def _uses_of(card: ModelCard) -> Uses:
    profile = profile_of(card.name, card.options)
    return Uses(profile.needs, profile.learns_from, profile.takes)
