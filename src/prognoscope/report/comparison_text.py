"""A comparison in words: its table for a terminal, Markdown and LaTeX, and all that must be read with it."""

import pandas as pd

from prognoscope.analysis.comparison import Comparison
from prognoscope.analysis.epoch_words import WORDS
from prognoscope.analysis.standings import higher_is_better
from prognoscope.core.words import listed
from prognoscope.report.markdown_text import escaped
from prognoscope.report.number_words import DASH, metric_words, number

GROUP_TITLES = {
    "clinical": "Clinical covariates",
    "genes": "Genes",
    "slides": "Slides",
    "both": "Slides and genes",
    "distilled": "Slides alone, learned with genes",
    "oracle": "Oracles of the simulation",
}
OPTIMISTIC = "Optimistic numbers"
MARKS = (
    "Best is marked only if the 95 % interval of its paired difference, bootstrap over the same patients of the "
    "same folds, is in its favour against every other method of the column; second, only below a best one, "
    "if that holds against all the rest. Intervals are not corrected for the number of pairs. A column without "
    "marks has no order that the patients support."
)
SPECIALS = {c: rf"\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIALS |= {"\\": r"\textbackslash{}", "±": r"$\pm$", "\u2212": "$-$", DASH: "--", "<": "$<$", ">": "$>$"}


def title_of(comparison: Comparison) -> str:
    """What is compared, and on whom."""
    table = comparison.table
    cohorts = dict.fromkeys(table.loc[table["column"].isin(comparison.runs["column"]), "cohort"])
    return f"{metric_words(comparison.metric).label} on {listed(list(cohorts), 8)}"


def heading_of(comparison: Comparison, column: str) -> str:
    """The column's name, with the warning that all of it is optimistic."""
    if column not in comparison.optimistic:
        return column
    return f"{column[:-1]}, optimistic)" if column.endswith(")") else f"{column} (optimistic)"


def cell_text(comparison: Comparison, row: str, column: str) -> tuple[str, str, str]:
    """The cell as `mean ± SD`, its mark, and `optimistic` where neither its row nor its column says so."""
    cells = comparison.table[(comparison.table["row"] == row) & (comparison.table["column"] == column)]
    if cells.empty:
        return DASH, "", ""
    cell = cells.iloc[0]
    text = number(cell["mean"]) + (f" ± {number(cell['sd'])}" if pd.notna(cell["sd"]) else "")
    said = column in comparison.optimistic or cell["kind"] == "published"
    return text, str(cell["mark"]), "optimistic" if cell["optimistic"] and not said else ""


def rows_of(comparison: Comparison) -> list[tuple[str, str, str, str]]:
    """group, row, its label (published values say where they are optimistic), and kind, top to bottom."""
    first = comparison.table.drop_duplicates("row")[["group", "row", "kind", "optimistic"]]
    return [
        (group, row, f"{row} (optimistic)" if kind == "published" and optimistic else row, kind)
        for group, row, kind, optimistic in first.to_numpy().tolist()
    ]


def caption_of(comparison: Comparison) -> str:
    """What the numbers are."""
    folds = sorted({int(n) for n in comparison.table.loc[comparison.table["kind"] == "method", "folds"].dropna()})
    which = "higher" if higher_is_better(comparison.metric) else "lower"
    spread = f"standard deviation (ddof {comparison.ddof}) over {' or '.join(map(str, folds))} folds"
    means = [name for name in comparison.columns if name not in set(comparison.runs["column"])]
    over = " The last column is the plain mean over cohorts, of rows that have all of them." if means else ""
    at = f" at {WORDS[comparison.at]}" if comparison.at else ""
    return f"{metric_words(comparison.metric).label}{at}, mean ± {spread}; {which} is better.{over}"


def sentences_of(comparison: Comparison, *, marked: bool = True) -> list[str]:
    """All that must be read with the numbers.

    Args:
        marked: Whether the best and the second are marked where it is shown.
    """
    ours = comparison.table[(comparison.table["kind"] == "method") & (comparison.table["optimistic"] != "")]
    why: dict[tuple[str, str], list[str]] = {}
    for key, rows in ours.groupby(["column", "optimistic"], sort=False)["row"]:
        column, reason = map(str, key)
        why.setdefault((reason, listed(rows.tolist(), 30)), []).append(column)
    warnings = [f"{OPTIMISTIC}: {who} in {listed(where, 9)}, as {reason}." for (reason, who), where in why.items()]
    several = comparison.table.loc[comparison.table["kind"] == "method", "row"].nunique() > 1
    return [*warnings, *([MARKS] if several and marked else []), *comparison.notes]


def terminal_table(comparison: Comparison) -> pd.DataFrame:
    """The table for a terminal: best is followed by `best`, second by `second`."""
    rows = []
    for group, row, label, _ in rows_of(comparison):
        cells = {}
        for column in comparison.columns:
            text, mark, optimistic = cell_text(comparison, row, column)
            cells[heading_of(comparison, column)] = " ".join(part for part in (text, mark, optimistic) if part)
        rows.append({"group": group, "method": label, **cells})
    return pd.DataFrame(rows)


def summary_table(comparison: Comparison) -> pd.DataFrame:
    """The only column of a comparison in numbers, methods alone: method, mean, low, high, SD, and why it flatters."""
    rows = comparison.table[comparison.table["kind"] == "method"]
    table = pd.DataFrame({"method": rows["row"]})
    for shown, name in (("mean", "mean"), ("low", "low"), ("high", "high"), (f"sd (ddof {comparison.ddof})", "sd")):
        table[shown] = [number(value) for value in rows[name]]
    if (rows["optimistic"] != "").any():
        table["optimistic"] = rows["optimistic"]
    return table.reset_index(drop=True)


def markdown(comparison: Comparison) -> str:
    """The table as GitHub shows it, with what must be read with it."""
    columns = [escaped(heading_of(comparison, name)) for name in comparison.columns]
    lines = [f"# {escaped(title_of(comparison))}", "", escaped(caption_of(comparison)), ""]
    lines += [f"| Method | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    group = None
    for of_group, row, label, kind in rows_of(comparison):
        if of_group != group:
            group = of_group
            lines.append(f"| **{GROUP_TITLES[group]}** |{' |' * len(columns)}")
        cells = []
        for column in comparison.columns:
            text, mark, optimistic = cell_text(comparison, row, column)
            text = {"best": f"**{text}**", "second": f"<u>{text}</u>"}.get(mark, text)
            cells.append(f"{text} {optimistic}".strip())
        name = f"*{escaped(label)}*" if kind != "method" else escaped(label)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", *(f"* {escaped(sentence)}" for sentence in sentences_of(comparison))]
    return "\n".join(lines) + "\n"


def latex(comparison: Comparison) -> str:
    """A table environment for a paper; it needs the package booktabs."""
    columns = [_tex(heading_of(comparison, name)) for name in comparison.columns]
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_tex(caption_of(comparison))}}}",
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        rf"Method & {' & '.join(columns)} \\",
    ]
    group = None
    for of_group, row, label, kind in rows_of(comparison):
        if of_group != group:
            group = of_group
            lines += [r"\midrule", rf"\multicolumn{{{len(columns) + 1}}}{{l}}{{\textit{{{GROUP_TITLES[group]}}}}} \\"]
        cells = []
        for column in comparison.columns:
            text, mark, optimistic = cell_text(comparison, row, column)
            text = {"best": rf"\textbf{{{_tex(text)}}}", "second": rf"\underline{{{_tex(text)}}}"}.get(mark, _tex(text))
            cells.append(f"{text} {optimistic}".strip())
        name = rf"\textit{{{_tex(label)}}}" if kind != "method" else _tex(label)
        lines.append(rf"\quad {name} & {' & '.join(cells)} \\")
    notes = " ".join(map(_tex, sentences_of(comparison)))
    lines += [r"\bottomrule", r"\end{tabular}", r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize", notes]
    lines += [r"\end{minipage}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _tex(text: str) -> str:
    return "".join(SPECIALS.get(letter, letter) for letter in text)
