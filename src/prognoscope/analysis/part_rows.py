"""Which methods of finished runs are ablations or points of sweeps, and the rows that tables have them in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from prognoscope.runs.read import Run

Part = Literal["ablations", "sweeps"]
OF = {"ablations": "ablation_of", "sweeps": "sweep_of"}  # the column with the method that rows are parts of


@dataclass(frozen=True, slots=True)
class PartRow:
    """One row: an ablation, or a point of a sweep."""

    group: str  # which table it is in: the method that it is a part of, and which sweep of it
    whole: str  # that method, as a comparison names it
    title: str  # the row's own method, as a comparison names it; the whole's where it is that one
    label: str  # what the paper calls it
    setting: str = ""  # of a sweep
    line: str = ""
    value: str = ""

    @property
    def key(self) -> str:
        """Its name among all rows."""
        return f"{self.group}: {self.label}"

    @property
    def is_whole(self) -> bool:
        """Whether it is the method itself."""
        return self.title == self.whole


def is_no_point(run: Path, method: str) -> bool:
    """Whether a method of a run is something else than a point of a sweep."""
    table = _table(run, "sweeps")
    return method not in set(table.loc[table["method"] != table["sweep_of"], "method"])


def is_part(part: Part, run: Path, method: str) -> bool:
    """Whether a method of a run is an ablation, or a point of a sweep, or a method that has any."""
    return method in set(_table(run, part)["method"])


def part_rows(part: Part, titles: Mapping[tuple[Path, str], str]) -> list[PartRow]:
    """The rows of all runs, table by table, each in the paper's order.

    Args:
        titles: (run, method in it) -> how a comparison names it.
    """
    found: dict[str, list[PartRow]] = {}
    for run in dict.fromkeys(run for run, _ in titles):
        for row in _rows_of(run, part, titles):
            found.setdefault(row.group, [])
        for group in found:
            found[group] = _merged(found[group], [r for r in _rows_of(run, part, titles) if r.group == group])
    return [row for rows in found.values() for row in rows]


def _rows_of(run: Path, part: Part, titles: Mapping[tuple[Path, str], str]) -> list[PartRow]:
    rows = []
    for each in _table(run, part).to_dict("records"):
        whole, title = titles.get((run, each[OF[part]])), titles.get((run, each["method"]))
        if whole is not None and title is not None:
            group = whole if part == "ablations" else f"{whole} by {each['sweep']}"
            about = {name: str(each.get(name, "")) for name in ("setting", "line", "value")}
            rows.append(PartRow(group, whole, title, str(each["row"]), **about))
    return rows


def _merged(rows: Sequence[PartRow], more: Sequence[PartRow]) -> list[PartRow]:
    """All rows of both, those that are new each behind the one that it follows."""
    merged, place = list(rows), 0
    for row in more:
        known = [each.key for each in merged]
        if row.key in known:
            place = known.index(row.key) + 1
        else:
            merged.insert(place, row)
            place += 1
    return merged


def _table(run: Path, part: Part) -> pd.DataFrame:
    found = Run(run)
    return found.ablations if part == "ablations" else found.sweeps
