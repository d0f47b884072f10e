"""What each modality is worth to each method, as the report tells it."""

from typing import Any

import pandas as pd

from prognoscope.core.words import listed
from prognoscope.report.number_words import DASH, interval, number, optimistic_name
from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run
from prognoscope.runs.tables import ALL_FOLDS, BAGS_SHUFFLED, GENES_SHUFFLED, OUTCOMES_PERMUTED

HEADER = ("Method", "C-index", "Lost without its genes", "Lost without its bags", "C-index, outcomes permuted")
MEANING = (
    "Each trained model predicts its test patients again, with the genes, then with the bags, of other test patients: "
    "what its C-index loses is what it took from them, and a method whose loss includes 0 does not need that modality, "
    "whatever it was given. A dash stands for what the method does not predict from. The last column is of a model "
    "trained anew, in one fold, on outcomes that patients have exchanged: it has nothing to learn, so it must be near "
    "0.5. An interval that leaves 0.5 out hints at a leak; by chance one in twenty methods has one."
)


def surgery_content(run: Run) -> dict[str, Any]:
    """Meaning, rows (the header first) and note; {} for a run without both modalities."""
    table = run.surgery
    methods = list(dict.fromkeys(table["method"]))
    if not methods:
        return {}
    rows = [(optimistic_name(name, name in run.optimistic), *_cells(run, name)) for name in methods]
    return {"meaning": MEANING, "rows": [HEADER, *rows], "note": _note(run, methods)}


def _cells(run: Run, method: str) -> tuple[str, ...]:
    summary = run.summary(method, "c_index")
    drops = [_row(run, method, kind, ALL_FOLDS) for kind in (GENES_SHUFFLED, BAGS_SHUFFLED)]
    shown = [DASH if each is None else _joined(each["drop"], each["low"], each["high"], sign=True) for each in drops]
    permuted = _row(run, method, OUTCOMES_PERMUTED)
    last = DASH if permuted is None else _joined(permuted["after"], permuted["after_low"], permuted["after_high"])
    return (DASH if summary is None else number(summary["value"]), *shown, last)


def _row(run: Run, method: str, kind: str, fold: str | None = None) -> pd.Series | None:
    table = run.surgery
    rows = table[(table["method"] == method) & (table["surgery"] == kind)]
    rows = rows if fold is None else rows[rows["fold"] == fold]
    return None if rows.empty else rows.iloc[0]


def _joined(value: float, low: float, high: float, *, sign: bool = False) -> str:
    spread = interval(low, high, sign=sign)
    return f"{number(value, sign=sign)} ({spread})" if spread else number(value, sign=sign)


def _note(run: Run, methods: list[str]) -> str:
    said = []
    kinds = {GENES_SHUFFLED: "genes", BAGS_SHUFFLED: "bags"}
    both = [m for m in methods if all(_row(run, m, kind, ALL_FOLDS) is not None for kind in kinds)]
    for kind, words in kinds.items():
        lows = {m: row["low"] for m in both if (row := _row(run, m, kind, ALL_FOLDS)) is not None}
        idle = [m for m, low in lows.items() if not low > 0]
        if idle:
            verb = "is" if len(idle) == 1 else "are"
            said.append(f"{listed(idle, 30)} {verb} given both modalities and not shown to use the {words}.")
    permuted = {m: _row(run, m, OUTCOMES_PERMUTED) for m in methods}
    odd = [m for m, row in permuted.items() if row is not None and (row["after_low"] > 0.5 or row["after_high"] < 0.5)]
    if odd:
        said.append(
            f"With permuted outcomes the interval of {listed(odd, 30)} leaves 0.5 out; one in twenty does by chance."
        )
    return " ".join(said)


SECTION = Section("surgery", "What each modality is worth", surgery_content)
