"""What the page says of choosing the best epoch on the reported patients."""

from pathlib import Path
from typing import Any

import pandas as pd

from prognoscope.core.files import write_table, write_text
from prognoscope.report.figures import render
from prognoscope.report.run_folder import RunFolder
from prognoscope.report.style import method_colours
from prognoscope.report.words import interval, listed, number, optimistic_name

ON_TEST = ("test_c_index", "latest_test_c_index")  # rules that chose on the reported patients
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


def choice_table(run: RunFolder) -> pd.DataFrame:
    """What choosing the best epoch on the held-out fold would have added, means over folds.

    Returns:
        Columns of optimism.csv, then folds (how many), most_added (in one fold), and on_test (whether the reported
        epoch is that best one). Methods without epochs have no row; neither have ablations.
    """
    table = run.epoch_choice[run.epoch_choice["method"].isin(list(run.methods))]
    by_fold = table[table["fold"] != "all"].groupby("method")["added"]
    means = table[table["fold"] == "all"].reset_index(drop=True)
    return means.assign(
        folds=means["method"].map(by_fold.count()),
        most_added=means["method"].map(by_fold.max()),
        on_test=means["chosen_by"].isin(ON_TEST),
    )


def choice_content(run: RunFolder) -> dict[str, Any]:
    """The section's sentences and its table; without rows, a sentence why."""
    table = choice_table(run)
    if table.empty:
        known = (run.folder / "optimism.csv").is_file()
        why = "No method kept the C-index of its held-out fold at every epoch."
        return {
            "meaning": "",
            "rows": [],
            "note": why if known else "The run has no optimism.csv, so this is not known.",
        }
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


def choice_figure_data(run: RunFolder) -> pd.DataFrame:
    """The data of the figure "optimism": a row a method.

    Where the reported epoch is the best one on the held-out fold already, what is added is over the last epoch.
    """
    table, rows = choice_table(run), []
    for row in table.to_dict("records"):
        folds = run.epoch_choice[(run.epoch_choice["method"] == row["method"]) & (run.epoch_choice["fold"] != "all")]
        since = "last" if row["on_test"] else "reported"
        added = dict(zip("fold_" + folds["fold"], folds["best"] - folds[since], strict=True))
        noise = {f"noise_{end}": row[f"noise_{end}"] - row["noise_last"] for end in ("low", "high")}
        noise |= {"noise_added": row["noise_added"]}
        about = {"method": row["method"], "optimistic": row["method"] in run.optimistic, "since": since}
        rows.append({**about, "added": row["best"] - row[since], **noise, **added})
    return pd.DataFrame(rows)


def write_choice(run: RunFolder, folder: Path) -> list[Path]:
    """Write optimism.csv, optimism.md and optimism.svg of a run whose table is not empty.

    Returns:
        What was written.
    """
    content = choice_content(run)
    header, *rows = content["rows"]
    lines = [f"# {run.name}: choosing the epoch on the reported patients", "", content["meaning"], ""]
    lines += [f"| {' | '.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}"]
    lines += [f"| {' | '.join(row)} |".replace("_", r"\_") for row in rows]
    lines += [""] + [content["note"]] * bool(content["note"])
    write_table(folder / "optimism.csv", run.epoch_choice)
    write_text(folder / "optimism.md", "\n".join(lines).rstrip() + "\n")
    write_text(folder / "optimism.svg", render("optimism", choice_figure_data(run), method_colours(run.methods)))
    return [folder / f"optimism.{ending}" for ending in ("csv", "md", "svg")]


def _note(table: pd.DataFrame) -> str:
    said = []
    others = table[~table["on_test"]]
    small = others[others["added"] <= others["noise_added"]]["method"].tolist()
    if small:
        verb = "gains" if len(small) == 1 else "gain"
        said.append(f"{listed(small)} {verb} no more by such a choice than noise does.")
    if len(chosen := table[table["on_test"]]):
        gains = [f"{row.method} {number(row.best - row.last, sign=True)}" for row in chosen.itertuples()]
        said.append(
            f"The numbers of {listed(chosen['method'].tolist())} are such best epochs already. Over the last epoch "
            f"that is: {listed(gains)}, part of it perhaps because the training went on for too long."
        )
    return " ".join(said)
