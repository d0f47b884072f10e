"""A plan in tables: who is in, who is not and why, and what looks wrong, before any work is done."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.splits import account_of_splits
from prognoscope.core.errors import SlideError, some
from prognoscope.omics.groups import assign_columns, groups_without_genes
from prognoscope.omics.tables import OmicsTable
from prognoscope.slides.readers import find_slides, open_slide
from prognoscope.study.inputs import embedding_files, slide_mpp
from prognoscope.study.places import place_warnings
from prognoscope.study.plan import Plan
from prognoscope.study.sections import SlidesSpec

FEW_EVENTS = 10  # in a test part: below it a C-index says next to nothing


@dataclass(frozen=True)
class Audit:
    """What `prognoscope check` prints."""

    account: pd.DataFrame  # step, patients, events, dropped, who
    tables: dict[str, pd.DataFrame]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = field(default=())


def audit(plan: Plan) -> Audit:
    """A plan as tables, with all slides opened; nothing is written."""
    cohort, warnings = plan.cohort, [*plan.warnings, *place_warnings(plan.study)]
    tables = {"Outcome": _outcome_table(cohort)}
    if plan.heads:
        tables["Embeddings"] = _embeddings_table(plan)
    if (slides := plan.study.where.slides) is not None:
        tables["Slides"], found = _slides_table(slides, cohort)
        warnings += found
    if cohort.omics is not None:
        tables["Gene groups"], found = _genes_table(cohort, cohort.omics)
        warnings += found
    complete = plan.patients
    event = dict(zip(complete.patients, complete.outcome.event.tolist(), strict=True))
    few = [split.fold for split in plan.splits if sum(event[p] for p in split.test) < FEW_EVENTS]
    if few:
        warnings.append(f"Fewer than {FEW_EVENTS} events in the test part of fold {some(few)}: expect wide intervals.")
    account = account_of_splits(complete, plan.splits)
    table = account.to_table()
    table["who"] = table["who"].map(lambda who: some(who.split("; ")) if who else "")
    return Audit(table, tables, (*account.notes, *plan.notes, *plan.told), tuple(warnings))


def _outcome_table(cohort: Cohort) -> pd.DataFrame:
    outcome = cohort.outcome
    time = outcome.time
    ties = sum(n for n in Counter(time.tolist()).values() if n > 1)
    rows = [
        ("patients", len(outcome)),
        ("events", f"{int(outcome.event.sum())} ({outcome.event.mean():.1%})"),
        ("months: least, median, most", f"{time.min():.2f}, {np.median(time):.2f}, {time.max():.2f}"),
        ("patients who share their time with another", ties),
        ("patients with slides", len(cohort.having("bag"))),
        ("slides", sum(map(len, cohort.slides.values()))),
        ("patients with genes", len(cohort.having("omics"))),
        ("patients with a known subtype", len(cohort.subtype)),
        ("subtypes", ", ".join(f"{s}: {n}" for s, n in sorted(Counter(cohort.subtype.values()).items())) or "none"),
        ("sites", len(set(cohort.site.values())) or "unknown"),
    ]
    return pd.DataFrame([(name, str(value)) for name, value in rows], columns=["what", "value"])


def _genes_table(cohort: Cohort, omics: OmicsTable) -> tuple[pd.DataFrame, list[str]]:
    values, warnings = omics.values, []
    groups = assign_columns(list(values.columns), cohort.groups, source=omics.source)
    rows = [(name, len(groups.get(name, ()))) for name in cohort.groups or groups]
    grouped = {column for columns in groups.values() for column in columns}
    rows.append(("in no group", len(values.columns) - len(grouped)))
    constant = [column for column in values if values[column].nunique(dropna=True) <= 1]
    missing = int(values.isna().sum().sum())
    if constant:
        warnings.append(f"{len(constant)} gene columns are constant and will be left out: {some(constant)}.")
    if missing:
        warnings.append(f"{missing} gene values are missing; each is filled with its training patients' median.")
    warnings += groups_without_genes(list(values.columns), cohort.groups)
    return pd.DataFrame(rows, columns=["gene group", "columns"]), warnings


def _embeddings_table(plan: Plan) -> pd.DataFrame:
    """What the heads of all embedding files say; values are read by `run` only."""
    patches = [head[0] for head in plan.heads.values()]
    lengths = [length for n, length in plan.heads.values() if n]
    rows = [
        ("slides with embeddings", len(plan.heads)),
        ("length of an embedding", next(iter(lengths), "unknown")),
        ("patches: most of a slide, all", f"{max(patches):,}, {sum(patches):,}"),
        ("in the folder, of no patient", len(set(embedding_files(plan.study.where, None)) - set(plan.heads))),
    ]
    return pd.DataFrame([(name, str(value)) for name, value in rows], columns=["what", "value"])


def _slides_table(slides: SlidesSpec, cohort: Cohort) -> tuple[pd.DataFrame, list[str]]:
    mpp = slide_mpp(slides)
    found = find_slides(slides.folder)
    wanted = {slide for each in cohort.slides.values() for slide in each}
    known, warnings, bad = Counter(), [], {}
    for slide, path in found.items():
        if slide not in wanted:
            continue
        given = mpp.get(slide) if isinstance(mpp, dict) else mpp
        try:
            with open_slide(path, mpp=given) as opened:
                known[f"{opened.mpp:.3f} um per pixel" if opened.mpp else "unknown"] += 1
                if opened.mpp is None:
                    bad[slide] = "no mpp: give cohort.slides.mpp, or a column mpp in the slide table"
        except SlideError as cause:
            bad[slide] = str(cause)
    if bad:
        named = some(f"{slide} ({why})" for slide, why in bad.items())
        warnings.append(f"{len(bad)} slides cannot be used as they are: {named}")
    rows = [*sorted(known.items()), ("in the folder, of no patient", len(set(found) - wanted))]
    return pd.DataFrame(rows, columns=["resolution", "slides"]), warnings
