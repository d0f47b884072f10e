"""A comparison in words: its table for a terminal, Markdown and LaTeX, and all that must be read with it."""

import pandas as pd

from prognoscope.analysis.comparison import Comparison
from prognoscope.analysis.epoch_words import WORDS
from prognoscope.analysis.standings import higher_is_better
from prognoscope.core.words import listed
from prognoscope.report.markdown_text import escaped
from prognoscope.report.number_words import DASH, interval, metric_text, metric_words

GROUP_TITLES = {
    "clinical": "Clinical covariates",
    "genes": "Genes",
    "slides": "Slides",
    "both": "Slides and genes",
    "distilled": "Slides alone, learned with genes",
    "oracle": "Oracles of the simulation",
}
OPTIMISTIC = "Optimistic numbers"
MOST_NAMED = 3  # rows that are optimistic; where all of more are, that is said instead
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
    what = "" if comparison.kind == "methods" else f"{comparison.kind.capitalize()}: "
    return f"{what}{metric_words(comparison.metric).label} on {listed(list(cohorts), 8)}"


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
    text = metric_text(comparison.metric, cell["mean"])
    text += f" ± {metric_text(comparison.metric, cell['sd'])}" if pd.notna(cell["sd"]) else ""
    text += f" (seeds ± {metric_text(comparison.metric, cell['sd_seeds'])})" if pd.notna(cell["sd_seeds"]) else ""
    if not comparison.is_over_folds and (spread := interval(cell["low"], cell["high"], 2)):
        text += f" ({spread})"
    said = column in comparison.optimistic or cell["kind"] == "published"
    return text, str(cell["mark"]), "optimistic" if cell["optimistic"] and not said else ""


def rows_of(comparison: Comparison) -> list[tuple[str, str, str, str]]:
    """group, row, its label (published values say where they are optimistic), and kind, top to bottom."""
    first = comparison.table.drop_duplicates("row")
    first = first.assign(label=first["label"].astype(object).fillna(first["row"]))[
        ["group", "row", "label", "kind", "optimistic"]
    ]
    return [
        (group, row, f"{label} (optimistic)" if kind == "published" and optimistic else label, kind)
        for group, row, label, kind, optimistic in first.to_numpy().tolist()
    ]


def caption_of(comparison: Comparison) -> str:
    """What the numbers are."""
    folds = sorted({int(n) for n in comparison.table.loc[comparison.table["kind"] == "method", "folds"].dropna()})
    words = metric_words(comparison.metric)
    if not comparison.is_over_folds:
        return (
            f"{words.label}, {words.meaning}: held-out patients of all folds together, cut as the Kaplan-Meier curves "
            "of their run are. Neither is a mean over folds, so methods are not compared by it in pairs."
        )
    which = "higher" if higher_is_better(comparison.metric) else "lower"
    spread = f"standard deviation (ddof {comparison.ddof}) over {' or '.join(map(str, folds))} folds"
    if comparison.table["sd_seeds"].notna().any():
        spread += (
            f" of the means over seeds, in brackets that (ddof {comparison.ddof}) over seeds of the means over folds"
        )
    means = [name for name in comparison.columns if name not in set(comparison.runs["column"])]
    over = " The last column is the plain mean over cohorts, of rows that have all of them." if means else ""
    if comparison.kind != "methods":
        over += " Paired differences are to the whole method, or to its own values; rows started as it did."
    at = f" at {WORDS[comparison.at]}" if comparison.at else ""
    return f"{words.label}{at}, mean ± {spread}; {which} is better.{over}"


def sentences_of(comparison: Comparison, *, marked: bool = True) -> list[str]:
    """All that must be read with the numbers.

    Args:
        marked: Whether the best and the second are marked where it is shown.
    """
    ours = comparison.table[comparison.table["kind"] == "method"]
    every = ours.groupby("column").size()
    ours, why = ours[ours["optimistic"] != ""], dict[tuple[str, str], list[str]]()
    for key, rows in ours.groupby(["column", "optimistic"], sort=False)["row"]:
        column, reason = map(str, key)
        is_all = len(rows) == every[column] > MOST_NAMED
        who = "all methods" if comparison.kind == "methods" else "all rows"
        why.setdefault((reason, who if is_all else listed(rows.tolist(), 30)), []).append(column)
    warnings = [f"{OPTIMISTIC}: {who} in {listed(where, 9)}, as {reason}." for (reason, who), where in why.items()]
    several = comparison.table.loc[comparison.table["kind"] == "method", "row"].nunique() > 1
    has_marks = several and marked and comparison.kind == "methods" and comparison.is_over_folds
    return [*warnings, *([MARKS] if has_marks else []), *comparison.notes]


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
    shown = {"mean" if comparison.is_over_folds else comparison.metric: "mean", "low": "low", "high": "high"}
    shown |= {f"sd (ddof {comparison.ddof})": "sd"}
    for heading, name in shown.items():
        if comparison.is_over_folds or rows[name].notna().any():
            table[heading] = [metric_text(comparison.metric, value) for value in rows[name]]
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
            lines.append(f"| **{GROUP_TITLES.get(group, group)}** |{' |' * len(columns)}")
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
            lines += [
                r"\midrule",
                rf"\multicolumn{{{len(columns) + 1}}}{{l}}{{\textit{{{_tex(GROUP_TITLES.get(group, group))}}}}} \\",
            ]
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
