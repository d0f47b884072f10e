"""Who is in, who is not and why, and what looks wrong, before any work is done."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.splits import account_of_splits, make_splits
from prognoscope.core.errors import FeatureError, SlideError, StudyError, some
from prognoscope.features.store import embedding_shape
from prognoscope.omics.groups import assign_columns, groups_without_genes
from prognoscope.slides.readers import find_slides, open_slide
from prognoscope.study.inputs import embedding_files, slide_mpp, split_spec
from prognoscope.study.methods import needs_of, sizes_to_come
from prognoscope.study.results import read_truth
from prognoscope.study.study import Study, device_of

FEW_EVENTS = 10  # in a test part: below it a C-index says next to nothing


@dataclass(frozen=True)
class Audit:
    """What `prognoscope check` prints."""

    account: pd.DataFrame  # step, patients, events, dropped, who
    tables: dict[str, pd.DataFrame]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = field(default=())


def audit_study(study: Study) -> Audit:
    """Read all tables, open all slides, draw the folds; nothing is written.

    Raises:
        PrognoscopeError: What `run` would stop at.
    """
    study = study.chosen
    cohort, warnings = study.cohort, []
    tables = {"Outcome": _outcome_table(cohort)}
    needs = needs_of(study.spec, cohort, sizes_to_come(cohort))
    if study.spec.cohort.truth is not None:
        read_truth(study.folder / study.spec.cohort.truth, cohort.patients)
    try:
        device_of(study.spec.training.device)
    except StudyError as cause:  # it may be there where the study will run
        warnings.append(str(cause))
    if study.spec.cohort.features is not None and study.spec.cohort.features.folder is not None:
        tables["Embeddings"] = _embeddings_table(study)
    if study.spec.cohort.slides is not None:
        tables["Slides"], found = _slides_table(study)
        warnings += found
    if cohort.omics is not None:
        tables["Gene groups"], found = _genes_table(cohort)
        warnings += found
    complete = cohort.needing(needs)
    splits = make_splits(complete, split_spec(study.spec, study.folder))
    event = dict(zip(complete.patients, complete.outcome.event.tolist(), strict=True))
    few = [split.fold for split in splits if sum(event[p] for p in split.test) < FEW_EVENTS]
    if few:
        warnings.append(f"Fewer than {FEW_EVENTS} events in the test part of fold {some(few)}: expect wide intervals.")
    account = account_of_splits(complete, splits)
    table = account.to_table()
    table["who"] = table["who"].map(lambda who: some(who.split("; ")) if who else "")
    return Audit(table, tables, (*account.notes, *study.left_out), tuple(warnings))


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


def _genes_table(cohort: Cohort) -> tuple[pd.DataFrame, list[str]]:
    values, warnings = cohort.omics.values, []
    groups = assign_columns(list(values.columns), cohort.groups, source=cohort.omics.source)
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


def _embeddings_table(study: Study) -> pd.DataFrame:
    """What the heads of all embedding files say; values are read by `run` only.

    Raises:
        FeatureError: A file is not whole, or two are of different lengths.
    """
    files = embedding_files(study.spec, study.folder, None)
    wanted = {slide for slides in study.cohort.slides.values() for slide in slides}
    lengths: dict[int, str] = {}
    patches = [0]
    for slide in sorted(wanted & set(files)):
        if files[slide].suffix != ".h5":
            continue
        shape = embedding_shape(files[slide])
        patches.append(shape[0])
        if shape[0]:
            lengths.setdefault(shape[1], slide)
    if len(lengths) > 1:
        (one, a), (other, b), *_ = lengths.items()
        raise FeatureError(
            f"Slide {a} has embeddings of length {one} and slide {b} has embeddings of length {other}; one cohort "
            "needs one encoder. Name one folder of embeddings, or extract these slides again."
        )
    rows = [
        ("slides with embeddings", len(wanted & set(files))),
        ("length of an embedding", next(iter(lengths), "unknown")),
        ("patches: most of a slide, all", f"{max(patches):,}, {sum(patches):,}"),
        ("in the folder, of no patient", len(set(files) - wanted)),
    ]
    return pd.DataFrame([(name, str(value)) for name, value in rows], columns=["what", "value"])


def _slides_table(study: Study) -> tuple[pd.DataFrame, list[str]]:
    mpp = slide_mpp(study.spec, study.folder)
    found = find_slides(study.folder / study.spec.cohort.slides.folder)
    wanted = {slide for slides in study.cohort.slides.values() for slide in slides}
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
