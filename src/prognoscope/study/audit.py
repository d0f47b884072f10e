"""A plan in tables: who is in, who is not and why, and what looks wrong, before any work is done."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.covariate_account import tell_covariates
from prognoscope.cohort.splits import account_of_splits
from prognoscope.core.errors import some
from prognoscope.core.words import count
from prognoscope.features.encoders.standing import weights_fault
from prognoscope.features.origin import name_here
from prognoscope.omics.groups import assign_columns, coverage, groups_without_genes
from prognoscope.omics.tables import OmicsTable
from prognoscope.study.inputs import embedding_files
from prognoscope.study.lacking import counts_of_lacking
from prognoscope.study.places import place_warnings
from prognoscope.study.plan import Plan
from prognoscope.study.slide_audit import audit_slides

FEW_EVENTS = 10  # in a test part: below it a C-index says next to nothing


@dataclass(frozen=True)
class Audit:
    """What `prognoscope check` prints."""

    account: pd.DataFrame  # step, patients, events, dropped, who
    tables: dict[str, pd.DataFrame]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = field(default=())
    stop: str = ""  # why a run would stop when it comes to the slides


def audit(plan: Plan) -> Audit:
    """A plan as tables, with all slides opened; nothing is written."""
    cohort = plan.cohort
    warnings = [f"The study file still asks: {each} Answer, and remove the line." for each in plan.study.asked]
    warnings += [*plan.warnings, *place_warnings(plan.study), *cohort.account.warnings]
    tables = {"Outcome": _outcome_table(cohort)}
    if cohort.covariates is not None:
        tables["Covariates"] = pd.DataFrame(tell_covariates(plan.patients, plan.splits))
    warnings += [f"{said} A run leaves them out." for said in plan.looks.sentences]
    if plan.looks.heads:
        tables["Embeddings"] = _embeddings_table(plan)
    stop, where = "", plan.study.where
    if where.slides is not None:
        extracted = embedding_files(where, plan.study.extracted) if plan.extracts else {}
        told = audit_slides(where.slides, cohort, plan.study.features, extracted)
        tables["Slides"], stop = told.table, told.stop if plan.extracts else ""
        if plan.extracts:
            stop = stop or weights_fault(plan.study.features.encoder, plan.study.features.weights)
        warnings += told.warnings
    if cohort.omics is not None:
        tables["Gene groups"], found = _genes_table(cohort, cohort.omics)
        warnings += found
    complete = plan.patients
    counted = counts_of_lacking([each.method for each in plan.methods], complete)
    if len(counted):
        tables["Patients of each method"] = counted
    event = dict(zip(complete.patients, complete.outcome.event.tolist(), strict=True))
    few = [split.fold for split in plan.splits if sum(event[p] for p in split.test) < FEW_EVENTS]
    if few:
        warnings.append(f"Fewer than {FEW_EVENTS} events in the test part of fold {some(few)}: expect wide intervals.")
    few = [split.fold for split in plan.splits if sum(event[p] for p in split.train) < FEW_EVENTS]
    if few:
        warnings.append(f"Fewer than {FEW_EVENTS} events to learn from in fold {some(few)}: expect little of it.")
    account = account_of_splits(complete, plan.splits)
    table = account.to_table()
    table["who"] = table["who"].map(lambda who: some(who.split("; ")) if who else "")
    notes = (*account.notes, *plan.notes, *plan.told, _trainings(plan))
    return Audit(table, tables, notes, tuple(warnings), stop)


def _trainings(plan: Plan) -> str:
    """How many models a run trains, and why so many."""
    spec, folds = plan.study.spec, len(plan.splits)
    each = spec.seeds * (folds + plan.has_surgery)
    tried = each * sum(method.search.trials * method.search.folds for method in plan.methods if method.search)
    said = f"{count(len(plan.methods), 'method')} in {count(folds, 'fold')}"
    said += ", and each once more on permuted outcomes" if plan.has_surgery else ""
    said += ", for each endpoint" if spec.cohort.clinical.endpoint else ""
    seeds = [str(spec.training.seed + i) for i in range(spec.seeds)]
    said += f", with {len(seeds)} seeds ({some(seeds)})" if len(seeds) > 1 else ""
    return f"Trainings: {said}: {each * len(plan.methods):,}." + (f" {tried:,} more try settings." if tried else "")


def _outcome_table(cohort: Cohort) -> pd.DataFrame:
    outcome = cohort.outcome
    time = outcome.time
    ties = sum(n for n in Counter(time.tolist()).values() if n > 1)
    rows = [
        ("patients", len(outcome)),
        ("events", f"{int(outcome.event.sum())} ({outcome.event.mean():.1%})"),
        *([("another event first", int(outcome.competing.sum()))] if outcome.competing is not None else []),
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
    values, warnings = omics.values, [*omics.warnings]
    groups = assign_columns(list(values.columns), cohort.groups, source=omics.source)
    found = coverage(list(values.columns), cohort.groups or {})
    rows = [
        (name, len(groups.get(name, ())), "{} of {}".format(*found[name]) if name in found else "")
        for name in cohort.groups or groups
    ]
    grouped = {column for columns in groups.values() for column in columns}
    rows.append(("in no group", len(values.columns) - len(grouped), ""))
    varies = values.min() < values.max()  # never true where all is missing
    constant = list(values.columns[~varies])
    missing = int(values.isna().sum().sum())
    if constant:
        warnings.append(f"{len(constant)} gene columns are constant and will be left out: {some(constant)}.")
    if missing:
        warnings.append(f"{missing} gene values are missing; each is filled with its training patients' median.")
    warnings += groups_without_genes(list(values.columns), cohort.groups)
    return pd.DataFrame(rows, columns=["gene group", "columns", "genes found"]), warnings


def _embeddings_table(plan: Plan) -> pd.DataFrame:
    """What all embedding files say; `run` reads those values, too, that were not looked at."""
    heads, faults = plan.looks.heads, plan.looks.faults
    looks = [look for look in heads.values() if look.patches]
    patches = [look.patches for look in looks]
    of_nobody = set(embedding_files(plan.study.where, None)) - set(heads) - set(faults)
    rows = [
        ("slides with embeddings", len(heads)),
        ("files that cannot be used", len(faults)),
        ("files without a patch", len(heads) - len(looks)),
        ("length of an embedding", next((look.embedding_dim for look in looks), "unknown")),
        ("encoder", _counted(name_here(look.encoder) for look in looks)),
        ("um per pixel of level 0", _counted(f"{look.mpp:.3f}" if look.mpp else None for look in looks)),
        ("side of a patch in um", _counted(f"{look.patch_um:.0f}" if look.patch_um else None for look in looks)),
        ("patches: most of a slide, all", f"{max(patches, default=0):,}, {sum(patches):,}"),
        ("in the folder, of no patient", len(of_nobody)),
    ]
    return pd.DataFrame([(name, str(value)) for name, value in rows], columns=["what", "value"])


def _counted(values: Iterable[str | None]) -> str:
    """Each value with how many files have it, unless all have."""
    found = Counter(value or "unknown" for value in values)
    return next(iter(found), "unknown") if len(found) < 2 else some(f"{value}: {n}" for value, n in found.most_common())
