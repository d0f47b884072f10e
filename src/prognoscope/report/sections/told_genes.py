"""How well methods that learn to tell genes from slides tell those of held-out patients."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from prognoscope.analysis.gene_lengths import gene_lengths_of
from prognoscope.analysis.told_data import reconstruction_data, told_data_of, told_patients_data
from prognoscope.core.files import need_ours, write_table, write_text
from prognoscope.core.words import count, listed
from prognoscope.report.figures import render
from prognoscope.report.number_words import number
from prognoscope.report.page_section import Plate, Section
from prognoscope.report.style import stems_of
from prognoscope.runs.read import Run
from prognoscope.runs.tables import GENE_LENGTHS


def gene_content(run: Run) -> dict[str, Any]:
    """The lengths of gene groups as text, of methods that chose among genes; nothing without them."""
    lengths = gene_lengths_of(run)
    return {"lengths": length_rows(lengths)} if len(lengths) else {}


def length_rows(lengths: pd.DataFrame) -> list[tuple[str, ...]]:
    """Columns of `GENE_LENGTHS` as text, the first row the header."""
    columns = [name for name in ("cohort", "method") if lengths[name].nunique() > 1]
    has_published = lengths["published"].notna().any()
    header = (*(name.capitalize() for name in columns), "Gene group", "Before", "After", "SD over folds", "Rule")
    rows = [(*header[:-1], *(["Published"] if has_published else []), header[-1])]
    for row in lengths.to_dict("records"):
        numbers = [number(row["before"], 1), number(row["after"], 1), number(row["sd"], 1)]
        numbers += [number(row["published"], 1)] if has_published else []
        rows.append((*(row[name] for name in columns), row["group"], *numbers, row["rule"]))
    return rows


def gene_plates(run: Run) -> list[Plate]:
    """A figure a method that tells genes."""
    return [plate for name, stem in stems_of(run.methods).items() for plate in _genes(run, name, stem)]


def _genes(run: Run, name: str, stem: str) -> list[Plate]:
    data = reconstruction_data(run, name)
    if data.empty:
        return []
    plates = [_plate(name, f"reconstruction_{stem}", data, "gene")]
    by_patient = told_patients_data(run, name)
    if len(by_patient):
        plates.append(_plate(name, f"reconstruction_patients_{stem}", by_patient, "patient"))
    return plates


def _plate(name: str, stem: str, data: pd.DataFrame, each: str) -> Plate:
    many = data["gene" if each == "gene" else "patient_id"].nunique()
    means = data.groupby("group", sort=False)["spearman"].mean()
    caption = f"Mean Spearman correlation of {count(many, each)}: {number(data['spearman'].mean(), 2)}."
    groups = [f"{group} {number(mean, 2)}" for group, mean in means.items()]
    alt = f"How well {name} tells genes of held-out patients from their slides. {caption} {listed(groups, most=100)}."
    return Plate("reconstruction", stem, data, caption, alt)


def write_told(cohorts: Mapping[str, Sequence[Run]], lengths: pd.DataFrame, folder: Path) -> list[Path]:
    """Write lengths of gene groups, and how well genes are told, cohorts in one figure; CSV and SVG.

    Args:
        cohorts: Title of a cohort -> its runs, which differ in their seeds.

    Returns:
        What was written.
    """
    at = folder / "gene_lengths.csv"
    need_ours(at, ",".join(GENE_LENGTHS.columns), ())
    GENE_LENGTHS.write(at, lengths)
    written = [at]
    for stem, by_patient in (("reconstruction", False), ("reconstruction_patients", True)):
        data = told_data_of(cohorts, by_patient=by_patient)
        if len(data):
            paths = [folder / f"{stem}.svg", folder / f"{stem}.csv"]
            write_text(paths[0], render("reconstruction", data))
            write_table(paths[1], data)
            written += paths
    return written


SECTION = Section("genes", "Genes told from slides", gene_content, gene_plates)
