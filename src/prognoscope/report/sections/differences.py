"""Paired differences between methods, and the figure of the leader's."""

from typing import Any

from prognoscope.analysis.figure_data import difference_data
from prognoscope.analysis.late_fusion import beside_late
from prognoscope.analysis.standings import MAIN, difference_table
from prognoscope.report.number_words import DASH, interval, metric_words, number, p_cell, pair_name
from prognoscope.report.page_section import Absence, Plate, Section
from prognoscope.report.table_text import difference_rows
from prognoscope.runs.read import Run

PAIRS_SHOWN = 45  # beyond ten methods, only the leader's pairs


def difference_content(run: Run) -> dict[str, Any]:
    """Rows of the C-index, other metrics' tables as text, sentences on late fusion; nothing without any of them."""
    rows = _differences(run, difference_table(run))
    late = [each.sentence for each in beside_late(run)]
    return {"rows": rows, "others": _other_differences(run), "late": late} if rows or late else {}


def difference_plates(run: Run) -> list[Plate | Absence]:
    """How far the method with the highest C-index is ahead."""
    data = difference_data(run)
    if data.empty:
        alone = len(run.methods) == 1
        why = "One method has nothing to be compared with." if alone else "The run holds no paired differences."
        return [Absence(why)]
    leader = data["method_a"].iloc[0]
    caption = f"How far {leader}, the method with the highest C-index, is ahead of each other method."
    values = [f"{row['method_b']} {number(row['difference'], sign=True)}" for row in data.to_dict("records")]
    return [Plate("differences", "differences", data, caption, f"{caption} {', '.join(values)}.")]


def _differences(run: Run, table) -> list[dict[str, str]]:
    if len(table) > PAIRS_SHOWN:
        table = table[table["method_a"] == table["method_a"].iloc[0]]
    rows = []
    for row in table.to_dict("records"):
        reasons = [run.optimistic[name] for name in (row["method_a"], row["method_b"]) if name in run.optimistic]
        rows.append(
            {
                "pair": pair_name(row["method_a"], row["method_b"]),
                "difference": number(row["difference"], sign=True),
                "interval": interval(row["low"], row["high"], sign=True) or DASH,
                "p_bootstrap": p_cell(row["p_bootstrap"]),
                "p_t": p_cell(row["p_t"]),
                "says": "leaves 0 out" if row["supported"] else "includes 0",
                "reason": "; ".join(reasons),
            }
        )
    return rows


def _other_differences(run: Run) -> list[tuple[str, list[tuple[str, ...]]]]:
    metrics = [metric for metric in dict.fromkeys(run.comparison["metric"]) if metric != MAIN]
    tables = [(metric, difference_table(run, metric)) for metric in metrics]
    return [
        (f"Paired differences: {metric_words(metric).label}", difference_rows(table))
        for metric, table in tables
        if len(table)
    ]


SECTION = Section("differences", "Differences", difference_content, difference_plates)
