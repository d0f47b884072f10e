"""The comparison of methods over cohorts as files: a page, CSV, Markdown, LaTeX, and its figures."""

from pathlib import Path

import pandas as pd
from markupsafe import Markup

from prognoscope.analysis.comparison import Comparison
from prognoscope.core.files import need_ours, write_table, write_text
from prognoscope.core.words import count, listed
from prognoscope.report.comparison_text import (
    GROUP_TITLES,
    OPTIMISTIC,
    caption_of,
    cell_text,
    latex,
    markdown,
    rows_of,
    sentences_of,
    title_of,
)
from prognoscope.report.figures import render
from prognoscope.report.number_words import DASH, interval, metric_words, number, p_cell
from prognoscope.report.rendering import rendered
from prognoscope.report.style import file_stem, inline_svg, method_colours

STEMS = {"methods": "comparison", "ablations": "ablations", "sweeps": "sweeps"}  # of the files' names
HEADINGS = {  # of the table, and of its figures
    "methods": ("Methods by cohort", "Distance to the best"),
    "ablations": ("Ablations by cohort", "Distance to the whole method"),
    "sweeps": ("Settings by cohort", "Distance to the method's own values"),
}


def write_comparison(comparison: Comparison, folder: Path | str) -> list[Path]:
    """Write comparison.html (which holds all it shows), .csv, .md, .tex, and its figures with their data.

    Ablations and sweeps are files of that name, so that one folder holds all three.

    Returns:
        What was written, the page first.

    Raises:
        InputError: The folder holds files by these names that are of a run, or of somebody else.
    """
    folder, name = Path(folder), STEMS[comparison.kind]
    need_our_comparison(folder, name)
    ours = comparison.table.loc[comparison.table["kind"] == "method"]
    colours = method_colours(ours["label"].astype(object).fillna(ours["row"]).drop_duplicates())
    pictures, drawn = [], []
    for title, data in comparison.figures.items():
        stem = name if not pictures and comparison.kind == "methods" else f"{name}-{file_stem(title)}"
        svg = render("sweep" if comparison.kind == "sweeps" else "comparison", data, colours)
        drawn.append((stem, svg, data))
        alt, caption = _words_of(comparison, title, data)
        shown = Markup(inline_svg(svg, stem, str(Markup.escape(alt))))
        pictures.append(
            {"svg": shown, "alt": alt, "caption": caption, "href": f"{stem}.svg", "data": f"{stem}-figure.csv"}
        )
    written = [folder / f"{name}.html"]  # first: by it the others are known, even if the command is ended
    write_text(written[0], rendered("comparison.html", page=_content(comparison, pictures)))
    for stem, svg, data in drawn:
        write_text(folder / f"{stem}.svg", svg)
        write_table(folder / f"{stem}-figure.csv", data)
        written += [folder / f"{stem}.svg", folder / f"{stem}-figure.csv"]
    for ending, text in ((".md", markdown(comparison)), (".tex", latex(comparison))):
        write_text(folder / f"{name}{ending}", text)
        written.append(folder / f"{name}{ending}")
    write_table(folder / f"{name}.csv", comparison.table)
    return [*written, folder / f"{name}.csv"]


def need_our_comparison(folder: Path, *names: str) -> None:
    """Refuse a folder with files by these names, of `STEMS`, that are of a run, or of somebody else.

    Raises:
        InputError: It has some.
    """
    for name in names:
        need_ours(folder / f"{name}.html", ": comparison of methods</title>", sorted(folder.glob(f"{name}*")))


def _words_of(comparison: Comparison, title: str, data: pd.DataFrame) -> tuple[str, str]:
    """What a figure shows, for who cannot see it, and its caption."""
    label = metric_words(comparison.metric).label
    if comparison.kind == "methods":
        alt = f"{title}: how far each method is from the best, {data['method'].iloc[0]}, with 95 % paired intervals."
        return alt, f"{title}: each method's {label} minus that of the best, in pairs."
    other = "the whole method" if comparison.kind == "ablations" else "its own values"
    caption = f"{title}: {label} minus that of {other}, in pairs, with 95 % intervals."
    return caption, caption


def _by(comparison: Comparison, heading: str) -> str:
    return heading.replace("by cohort", "by endpoint") if comparison.is_by_endpoint else heading


def _content(comparison: Comparison, pictures: list[dict]) -> dict:
    runs = comparison.runs
    lead = f"{count(len(runs), 'run')}. {caption_of(comparison)}"
    protocols = listed([f"{name} protocol" for name in dict.fromkeys(runs["protocol"])])
    body, group = [], None
    for of_group, row, label, kind in rows_of(comparison):
        cells = []
        for column in comparison.columns:
            text, mark, optimistic = cell_text(comparison, row, column)
            cells.append({"text": text, "mark": mark, "optimistic": optimistic})
        shown = {"label": label, "kind": kind, "cells": cells, "group": ""}
        if of_group != group:
            group = of_group
            shown["group"] = GROUP_TITLES.get(group, group)
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
    said = sentences_of(comparison)
    published = comparison.table[comparison.table["source"].notna()]
    papers = published.drop_duplicates("source")[["source", "protocol", "optimistic"]].to_dict("records")
    return {
        "title": title_of(comparison),
        "table_heading": _by(comparison, HEADINGS[comparison.kind][0]),
        "figure_heading": HEADINGS[comparison.kind][1],
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
