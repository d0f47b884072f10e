"""The comparison of methods over cohorts as files: a page, CSV, Markdown, LaTeX, and its figures."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from prognoscope.core.files import write_table, write_text
from prognoscope.report.figures import render
from prognoscope.report.rendering import rendered
from prognoscope.report.style import file_stem, inline_svg, method_colours
from prognoscope.report.words import DASH, count, higher_is_better, interval, listed, metric_words, number, p_cell

OVERALL = "Mean"  # the column of the mean over cohorts
GROUP_TITLES = {
    "clinical": "Clinical covariates",
    "genes": "Genes",
    "slides": "Slides",
    "both": "Slides and genes",
    "distilled": "Slides alone, learned with genes",
    "oracle": "Oracles of the simulation",
}
CELL_COLUMNS = (
    *("group", "row", "kind", "method", "column", "cohort", "protocol", "optimistic", "metric"),
    *("mean", "sd", "ddof", "low", "high", "folds", "seeds", "mark", "source"),
)
OPTIMISTIC = "Optimistic numbers"
MARKS = (
    "Best is marked only if the 95 % interval of its paired difference, bootstrap over the same patients of the "
    "same folds, is in its favour against every other method of the column; second, only below a best one, "
    "if that holds against all the rest. Intervals are not corrected for the number of pairs. A column without "
    "marks has no order that the patients support."
)
SPECIALS = {c: rf"\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIALS |= {"\\": r"\textbackslash{}", "±": r"$\pm$", "\u2212": "$-$", DASH: "--", "<": "$<$", ">": "$>$"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known of methods on the same patients, cohort by cohort."""

    metric: str
    ddof: int  # of the standard deviation over folds
    table: pd.DataFrame  # CELL_COLUMNS: a row a cell; rows and columns in the order of their first cells
    pairs: pd.DataFrame  # column, method_a, method_b, difference, low, high, p_bootstrap, p_t
    figures: dict[str, pd.DataFrame]  # column -> the data of the figure "comparison"
    notes: tuple[str, ...]
    runs: pd.DataFrame  # run, column, protocol, seed, folds, patients, events

    @property
    def columns(self) -> list[str]:
        """The cohorts, then the means over them."""
        found = list(dict.fromkeys([*self.runs["column"], *self.table["column"]]))
        means = [name for name in found if name not in set(self.runs["column"])]
        return [name for name in found if name not in means] + means

    @property
    def title(self) -> str:
        """What is compared, and on whom."""
        cohorts = list(dict.fromkeys(self.table.loc[self.table["column"].isin(self.runs["column"]), "cohort"]))
        return f"{metric_words(self.metric).label} on {listed(cohorts, 8)}"

    @property
    def optimistic(self) -> frozenset[str]:
        """Columns in which every number of ours flatters."""
        ours = self.table[self.table["kind"] == "method"]
        return frozenset(name for name, each in ours.groupby("column")["optimistic"] if (each != "").all())

    def heading(self, column: str) -> str:
        """The column's name, with the warning that all of it is optimistic."""
        if column not in self.optimistic:
            return column
        return f"{column[:-1]}, optimistic)" if column.endswith(")") else f"{column} (optimistic)"

    def text(self, row: str, column: str) -> tuple[str, str, str]:
        """The cell as `mean ± SD`, its mark, and `optimistic` where neither its row nor its column says so."""
        cells = self.table[(self.table["row"] == row) & (self.table["column"] == column)]
        if cells.empty:
            return DASH, "", ""
        cell = cells.iloc[0]
        text = number(cell["mean"]) + (f" ± {number(cell['sd'])}" if pd.notna(cell["sd"]) else "")
        said = column in self.optimistic or cell["kind"] == "published"
        return text, str(cell["mark"]), "optimistic" if cell["optimistic"] and not said else ""

    def rows(self) -> list[tuple[str, str, str, str]]:
        """group, row, its label (published values say where they are optimistic), and kind, top to bottom."""
        first = self.table.drop_duplicates("row")
        return [
            (
                each.group,
                each.row,
                f"{each.row} (optimistic)" if each.kind == "published" and each.optimistic else each.row,
                each.kind,
            )
            for each in first.itertuples()
        ]

    def caption(self) -> str:
        """What the numbers are."""
        folds = sorted({int(n) for n in self.table.loc[self.table["kind"] == "method", "folds"].dropna()})
        which = "higher" if higher_is_better(self.metric) else "lower"
        spread = f"standard deviation (ddof {self.ddof}) over {' or '.join(map(str, folds))} folds"
        means = [name for name in self.columns if name not in set(self.runs["column"])]
        over = " The last column is the plain mean over cohorts, of rows that have all of them." if means else ""
        return f"{metric_words(self.metric).label}, mean ± {spread}; {which} is better.{over}"

    def sentences(self, *, marked: bool = True) -> list[str]:
        """All that must be read with the numbers.

        Args:
            marked: Whether the best and the second are marked where it is shown.
        """
        ours = self.table[(self.table["kind"] == "method") & (self.table["optimistic"] != "")]
        why: dict[tuple[str, str], list[str]] = {}
        for (column, reason), rows in ours.groupby(["column", "optimistic"], sort=False)["row"]:
            why.setdefault((reason, listed(list(rows), 30)), []).append(column)
        warnings = [f"{OPTIMISTIC}: {who} in {listed(where, 9)}, as {reason}." for (reason, who), where in why.items()]
        several = self.table.loc[self.table["kind"] == "method", "row"].nunique() > 1
        return [*warnings, *([MARKS] if several and marked else []), *self.notes]


def terminal_table(comparison: Comparison) -> pd.DataFrame:
    """The table for a terminal: best is followed by `best`, second by `second`."""
    rows = []
    for group, row, label, _ in comparison.rows():
        cells = {}
        for column in comparison.columns:
            text, mark, optimistic = comparison.text(row, column)
            cells[comparison.heading(column)] = " ".join(part for part in (text, mark, optimistic) if part)
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
    columns = [_md(comparison.heading(name)) for name in comparison.columns]
    lines = [f"# {_md(comparison.title)}", "", _md(comparison.caption()), ""]
    lines += [f"| Method | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    group = None
    for of_group, row, label, kind in comparison.rows():
        if of_group != group:
            group = of_group
            lines.append(f"| **{GROUP_TITLES[group]}** |{' |' * len(columns)}")
        cells = []
        for column in comparison.columns:
            text, mark, optimistic = comparison.text(row, column)
            text = {"best": f"**{text}**", "second": f"<u>{text}</u>"}.get(mark, text)
            cells.append(f"{text} {optimistic}".strip())
        name = f"*{_md(label)}*" if kind != "method" else _md(label)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", *(f"* {_md(sentence)}" for sentence in comparison.sentences())]
    return "\n".join(lines) + "\n"


def latex(comparison: Comparison) -> str:
    """A table environment for a paper; it needs the package booktabs."""
    columns = [_tex(comparison.heading(name)) for name in comparison.columns]
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_tex(comparison.caption())}}}",
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        rf"Method & {' & '.join(columns)} \\",
    ]
    group = None
    for of_group, row, label, kind in comparison.rows():
        if of_group != group:
            group = of_group
            lines += [r"\midrule", rf"\multicolumn{{{len(columns) + 1}}}{{l}}{{\textit{{{GROUP_TITLES[group]}}}}} \\"]
        cells = []
        for column in comparison.columns:
            text, mark, optimistic = comparison.text(row, column)
            text = {"best": rf"\textbf{{{_tex(text)}}}", "second": rf"\underline{{{_tex(text)}}}"}.get(mark, _tex(text))
            cells.append(f"{text} {optimistic}".strip())
        name = rf"\textit{{{_tex(label)}}}" if kind != "method" else _tex(label)
        lines.append(rf"\quad {name} & {' & '.join(cells)} \\")
    notes = " ".join(map(_tex, comparison.sentences()))
    lines += [r"\bottomrule", r"\end{tabular}", r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize", notes]
    lines += [r"\end{minipage}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def write_comparison(comparison: Comparison, folder: Path | str) -> list[Path]:
    """Write comparison.html (which holds all it shows), .csv, .md, .tex, and a figure with its data where there is one.

    Returns:
        What was written, the page first.
    """
    folder = Path(folder)
    written = [folder / "comparison.html"]
    ours = comparison.table.loc[comparison.table["kind"] == "method", "row"].drop_duplicates()
    pictures = []
    for column, data in comparison.figures.items():
        stem = "comparison" if not pictures else f"comparison-{file_stem(column)}"
        svg = render("comparison", data, method_colours(ours))
        write_text(folder / f"{stem}.svg", svg)
        write_table(folder / f"{stem}-figure.csv", data)
        alt = f"{column}: how far each method is from the best, {data['method'].iloc[0]}, with 95 % paired intervals."
        caption = f"{column}: each method's {metric_words(comparison.metric).label} minus that of the best, in pairs."
        svg = Markup(inline_svg(svg, stem, str(Markup.escape(alt))))
        pictures.append(
            {"svg": svg, "alt": alt, "caption": caption, "href": f"{stem}.svg", "data": f"{stem}-figure.csv"}
        )
        written += [folder / f"{stem}.svg", folder / f"{stem}-figure.csv"]
    for name, text in (("comparison.md", markdown(comparison)), ("comparison.tex", latex(comparison))):
        write_text(folder / name, text)
        written.append(folder / name)
    write_table(folder / "comparison.csv", comparison.table)
    write_text(written[0], rendered("comparison.html", _content(comparison, pictures)))
    return [*written, folder / "comparison.csv"]


def _content(comparison: Comparison, pictures: list[dict]) -> dict:
    runs = comparison.runs
    lead = f"{count(len(runs), 'run')}. {comparison.caption()}"
    protocols = listed([f"{name} protocol" for name in dict.fromkeys(runs["protocol"])])
    body, group = [], None
    for of_group, row, label, kind in comparison.rows():
        cells = []
        for column in comparison.columns:
            text, mark, optimistic = comparison.text(row, column)
            cells.append({"text": text, "mark": mark, "optimistic": optimistic})
        shown = {"label": label, "kind": kind, "cells": cells, "group": ""}
        if of_group != group:
            group = of_group
            shown["group"] = GROUP_TITLES[group]
        body.append(shown)
    pairs = [
        {
            "column": each["column"],
            "pair": f"{each['method_a']} against {each['method_b']}",
            "difference": number(each["difference"], sign=True),
            "interval": interval(each["low"], each["high"], sign=True) or DASH,
            "p_bootstrap": p_cell(each["p_bootstrap"]),
            "p_t": p_cell(each["p_t"]),
        }
        for each in comparison.pairs.to_dict("records")
    ]
    said = comparison.sentences()
    published = comparison.table[comparison.table["source"].notna()]
    papers = published.drop_duplicates("source")[["source", "protocol", "optimistic"]].to_dict("records")
    return {
        "title": comparison.title,
        "lead": f"{protocols[:1].upper()}{protocols[1:]}. {lead}",
        "warnings": [each for each in said if each.startswith(OPTIMISTIC)],
        "notes": [each for each in said if not each.startswith(OPTIMISTIC)],
        "headings": [(name, name in comparison.optimistic) for name in comparison.columns],
        "rows": body,
        "pictures": pictures,
        "pairs": pairs,
        "papers": papers,
        "runs": runs.astype(str).to_dict("records"),
    }


def _md(text: str) -> str:
    return re.sub(r"([\\|*_<>`\[\]])", r"\\\1", text)


def _tex(text: str) -> str:
    return "".join(SPECIALS.get(letter, letter) for letter in text)
