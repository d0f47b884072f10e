"""All that the page says, as plain values for its template."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from prognoscope.report.ablations import ablation_tables
from prognoscope.report.epoch_choice import choice_content
from prognoscope.report.run_folder import RunFolder
from prognoscope.report.search import search_content
from prognoscope.report.surgery import surgery_content
from prognoscope.report.tables import (
    BESIDE,
    MAIN,
    difference_rows,
    difference_table,
    fold_table,
    follow_up,
    method_table,
    misfits,
    other_metrics,
    subtype_table,
)
from prognoscope.report.verdict import protocol_sentence, verdict, warnings_of
from prognoscope.report.words import (
    DASH,
    count,
    interval,
    is_number,
    metric_words,
    number,
    optimistic_name,
    p_cell,
    pair_name,
)

PAIRS_SHOWN = 45  # beyond ten methods, only the leader's pairs
NAMES_SHOWN = 5


def page_content(
    run: RunFolder, figures: Mapping[str, list], absent: Mapping[str, list[str]], colours: Mapping[str, str]
) -> dict[str, Any]:
    """The values that templates/report.html asks for."""
    differences = difference_table(run)
    content = {
        "name": run.name,
        "lead": _lead(run),
        "verdict": verdict(run),
        "protocol": protocol_sentence(run),
        "optimistic": warnings_of(run),
        "gaps": run.gaps,
        "follow_up": _follow_up(run),
        "account": _account(run),
        "folds": _text_rows(fold_table(run), ("Fold", "Training", "Validation", "Test")) if len(run.splits) else [],
        "methods": _methods(run, colours),
        "fold_values": _fold_values(run),
        "figures": {
            key: figures.get(key, []) for key in ("c_index", "differences", "survival", "calibration", "training")
        },
        "absent": absent,
        "differences": _differences(run, differences),
        "other_differences": _other_differences(run),
        "survival_note": (
            "All held-out patients are cut into two halves at the median of their predicted risk (high: at or above). "
            "A cut taken from the predictions it is tested on flatters a little. Bands: 95 % log-log intervals. Ticks: "
            "patients censored."
        ),
        "calibration_note": (
            "Patients in groups of similar predicted survival: what was predicted beside what was seen, with 95 % "
            "intervals. A well-calibrated method lies on the diagonal."
        ),
        "genes": figures.get("genes", []),
        "ablations": ablation_tables(run),
        "choice": choice_content(run),
        "search": search_content(run),
        "surgery": surgery_content(run),
        "subtype": _metric_rows(run, subtype_table(run)),
        "other": _metric_rows(run, other_metrics(run)),
        "provenance": _provenance(run),
        "notes": [str(note) for note in run.provenance.get("notes") or []],
        "hashes": _hashes(run),
        "study": run.study_text,
    }
    return content | {"contents": _contents(content)}


def _lead(run: RunFolder) -> str:
    parts = [count(len(run.outcome), "patient"), count(len(run.folds), "fold"), count(len(run.methods), "method")]
    return ", ".join([*parts, *([f"{run.protocol} protocol"] if run.protocol else [])])


def _follow_up(run: RunFolder) -> str:
    seen = follow_up(run)
    months = seen["median_months"]
    median = f"{number(months, 1)} months" if np.isfinite(months) else "not reached"
    share = 100 * seen["events"] / seen["patients"]
    return (
        f"{seen['patients']:.0f} patients were predicted, {seen['events']:.0f} of them ({share:.0f} %) with an event. "
        f"Median follow-up (reverse Kaplan-Meier): {median}."
    )


def _account(run: RunFolder) -> list[dict[str, Any]]:
    most = run.account["patients"].max() if len(run.account) else 0
    rows = []
    for row in run.account.to_dict("records"):
        names = [name for name in str(row["who"]).split("; ") if name]
        short = "; ".join(names[:NAMES_SHOWN])
        long = len(names) > NAMES_SHOWN
        share = 100 * row["patients"] / most if is_number(row["patients"]) and most else 0
        rows.append(
            {
                "step": row["step"],
                "share": f"{share:.1f}",
                **{key: number(row[key], 0) for key in ("patients", "events", "dropped")},
                "who": f"{short} and {len(names) - NAMES_SHOWN} more" if long else short,
                "more": "; ".join(names) if long else "",
            }
        )
    return rows


def _methods(run: RunFolder, colours: Mapping[str, str]) -> dict[str, Any]:
    table = method_table(run)
    beside = [metric for metric in BESIDE if metric in table]
    has_oracle = table["of_the_way"].notna().any()
    header = ["C-index", "SD over folds (ddof\u00a00)", *(["Way from 0.5 to oracle"] if has_oracle else [])]
    rows, oracles = [], 0
    for row in table.to_dict("records"):
        flag, is_oracle = bool(row["optimistic"]), row["kind"] == "oracle"
        oracles += is_oracle
        cells = [_cell(row, MAIN, flag), {"text": number(row[f"{MAIN}_sd"]), "flag": flag, "sub": ""}]
        if has_oracle:
            share = f"{number(100 * row['of_the_way'], 0)} %" if is_number(row["of_the_way"]) else ""
            cells.append({"text": share, "flag": flag and bool(share), "sub": ""})
        for metric in beside:
            cell = {"text": "", "flag": False, "sub": ""} if is_oracle else _cell(row, metric, flag)
            if metric == "d_calibration_p" and not is_oracle:
                cell["sub"] = misfits(run, row["method"])
            cells.append(cell)
        rows.append(
            {
                "label": row["label"],
                "colour": colours.get(row["method"], ""),
                "best": row["best"],
                "reason": row["optimistic"],
                "oracle": is_oracle,
                "first": is_oracle and oracles == 1,
                "cells": cells,
            }
        )
    meanings = [f"{metric_words(m).label}: {metric_words(m).meaning}." for m in (MAIN, *beside)]
    if table["best"].any():
        note = "Best: the paired intervals put its C-index above that of every other method."
    elif len(run.methods) > 1:
        note = "No method is marked best, because the paired intervals do not put one above all others"
        note += " among numbers that are equally honest." if run.optimistic else "."
    else:
        note = ""
    return {
        "caption": "Means of the folds on held-out patients, with 95 % intervals (patients drawn anew within folds).",
        "header": [*header, *(metric_words(m).label for m in beside)],
        "rows": rows,
        "note": f"{note} {' '.join(meanings)}".strip(),
    }


def _cell(row: dict, metric: str, flag: bool) -> dict[str, Any]:
    digits = metric_words(metric).digits
    spread = "" if metric == "d_calibration_p" else interval(row[f"{metric}_low"], row[f"{metric}_high"], digits)
    return {"text": number(row[metric], digits), "flag": flag and is_number(row[metric]), "sub": spread}


def _fold_values(run: RunFolder) -> list[tuple[str, ...]]:
    table = method_table(run)
    folds = [f"fold_{fold}" for fold in run.folds]
    if not len(folds) or not table[folds].notna().any(axis=None):
        return []
    rows = [
        (optimistic_name(row["label"], bool(row["optimistic"])), *(number(row[fold]) for fold in folds))
        for row in table.to_dict("records")
        if any(is_number(row[fold]) for fold in folds)
    ]
    return [("Method", *(f"Fold {fold}" for fold in run.folds)), *rows]


def _differences(run: RunFolder, table) -> list[dict[str, str]]:
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


def _other_differences(run: RunFolder) -> list[tuple[str, list[tuple[str, ...]]]]:
    metrics = [metric for metric in dict.fromkeys(run.comparison["metric"]) if metric != MAIN]
    tables = [(metric, difference_table(run, metric)) for metric in metrics]
    return [
        (f"Paired differences: {metric_words(metric).label}", difference_rows(table))
        for metric, table in tables
        if len(table)
    ]


def _metric_rows(run: RunFolder, table) -> list[tuple[str, ...]]:
    if table.empty:
        return []
    rows = [
        (
            optimistic_name(row["method"], row["method"] in run.optimistic),
            metric_words(row["metric"]).label,
            number(row["value"]),
            interval(row["low"], row["high"]) or DASH,
        )
        for row in table.to_dict("records")
    ]
    return [("Method", "Measure", "Value", "95 % interval"), *rows]


def _provenance(run: RunFolder) -> list[tuple[str, str]]:
    known = run.provenance
    rows = [(title, str(known[key])) for title, key in (("Command", "command"), ("Seed", "seed")) if key in known]
    rows += [("Protocol", run.protocol)] if run.protocol else []
    versions = known.get("versions") or {}
    if versions:
        rows.append(("Versions", ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))))
    return rows


def _hashes(run: RunFolder) -> list[tuple[str, str]]:
    inputs = run.provenance.get("inputs") or {}
    return [("File", "SHA-256"), *((str(path), str(value)) for path, value in sorted(inputs.items()))] if inputs else []


def _text_rows(table, header: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [header, *(tuple(str(value) for value in row) for row in table.itertuples(index=False))]


def _contents(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    sections = [
        ("verdict", "Verdict"),
        ("patients", "Patients"),
        ("methods", "Methods"),
        ("differences", "Differences"),
        ("ablations", "Ablations"),
        ("survival", "Survival by risk"),
        ("calibration", "Calibration"),
        ("training", "Training"),
        ("choice", "Choosing the epoch"),
        ("search", "Chosen settings"),
        ("surgery", "What each modality is worth"),
        ("genes", "Genes told from slides"),
        ("subtype", "Subtype"),
        ("other", "Other measures"),
        ("provenance", "Provenance"),
    ]
    optional = ("ablations", "search", "surgery", "genes", "subtype", "other")
    return [(anchor, title) for anchor, title in sections if anchor not in optional or content[anchor]]
