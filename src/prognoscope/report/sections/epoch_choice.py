"""What the page says of choosing the best epoch on the reported patients."""

from pathlib import Path
from typing import Any

import pandas as pd

from prognoscope.analysis.optimism_table import choice_figure_data, choice_table
from prognoscope.core.files import need_ours, write_text
from prognoscope.core.words import listed
from prognoscope.report.figures import render
from prognoscope.report.markdown_text import escaped, table_lines
from prognoscope.report.number_words import interval, number, optimistic_name
from prognoscope.report.page_section import Section
from prognoscope.report.style import method_colours
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.read import Run
from prognoscope.runs.tables import OPTIMISM

HEADER = (
    *("Method", "Reported", "Last epoch", "Best on the held-out fold", "Added to the reported", "Most in one fold"),
    *("Noise, at its best", "Noise, added", "Epochs"),
)
MEANING = (
    "The best epoch of each fold, picked by the very patients who are reported, is what some papers report. Added is "
    "what that gives over the epoch reported here: a gain by selection, which new patients would not see. Noise shows "
    "what selection yields when nothing was learned: random risks of the same patients, drifting from epoch to epoch "
    "(correlation 0.9), for as many epochs, drawn 200 times. Their true C-index is 0.5."
)


def choice_content(run: Run, optimism: pd.DataFrame | None = None) -> dict[str, Any]:
    """The section's sentences and its table; without rows, a sentence why.

    Args:
        optimism: The table that is told of; the run's own by default.
    """
    table = choice_table(run, run.optimism if optimism is None else optimism)
    if table.empty:
        path = run.files.optimism
        why = f"The run has no {path.name}, so this is not known."
        known = "No method kept the C-index of its held-out fold at every epoch."
        return {"meaning": "", "rows": [], "note": known if path.is_file() else why}
    rows = [
        (
            optimistic_name(row["method"], row["method"] in run.optimistic),
            *(number(row[key]) for key in ("reported", "last", "best")),
            *("in it" if row["on_test"] else number(row[key], sign=True) for key in ("added", "most_added")),
            f"{number(row['noise_best'])} ({interval(row['noise_low'], row['noise_high'])})",
            number(row["noise_added"], sign=True),
            f"{row['epochs']:.0f}",
        )
        for row in table.to_dict("records")
    ]
    return {"meaning": MEANING, "rows": [HEADER, *rows], "note": _note(table)}


def write_choice(run: Run, optimism: pd.DataFrame, folder: Path) -> list[Path]:
    """Write a table of optimism that is not empty as CSV, Markdown and SVG.

    Returns:
        What was written.
    """
    content = choice_content(run, optimism)
    header, *rows = content["rows"]
    lines = [f"# {escaped(run.title)}: choosing the epoch on the reported patients", "", content["meaning"], ""]
    lines += [*table_lines(header, rows), "", *[escaped(content["note"])] * bool(content["note"])]
    path = RunFiles(folder).optimism
    written = [path, path.with_suffix(".md"), path.with_suffix(".svg")]
    if folder != run.folder:
        need_ours(path, ",".join(OPTIMISM.columns), written[1:])
    OPTIMISM.write(written[0], optimism)
    write_text(written[1], "\n".join(lines).rstrip() + "\n")
    write_text(written[2], render("optimism", choice_figure_data(run, optimism), method_colours(run.methods)))
    return written


def _note(table: pd.DataFrame) -> str:
    said = []
    others = table[~table["on_test"]]
    small = others[others["added"] <= others["noise_added"]]["method"].tolist()
    if small:
        verb = "gains" if len(small) == 1 else "gain"
        said.append(f"{listed(small)} {verb} no more by such a choice than noise does.")
    if len(chosen := table[table["on_test"]]):
        gains = [f"{row['method']} {number(row['best'] - row['last'], sign=True)}" for row in chosen.to_dict("records")]
        said.append(
            f"The numbers of {listed(chosen['method'].tolist())} are such best epochs already. Over the last epoch "
            f"that is: {listed(gains)}, part of it perhaps because the training went on for too long."
        )
    return " ".join(said)


SECTION = Section("choice", "Choosing the epoch", choice_content)
