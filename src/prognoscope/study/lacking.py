"""Patients who lack what a method predicts or learns from, while another method can do without it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from prognoscope.cohort.cohort import WORDS, Cohort
from prognoscope.core.words import count, listed
from prognoscope.runs.tables import LACKING
from prognoscope.study.jobs import able_of, needs_of
from prognoscope.training.method import Method


def lacking_table(methods: Sequence[Method], cohort: Cohort) -> pd.DataFrame:
    """Who lacks what of each method: a row for each patient who does, in the order of methods and patients.

    Returns:
        Columns of `LACKING`: lacks, in words; left_out, whether the method is neither trained nor tested on them,
        whom it otherwise does without it.
    """
    able, needs, rows = able_of(methods, cohort), needs_of(methods, cohort), []
    for method in methods:
        learns = needs[method.title] | (method.profile.learns_from & set(WORDS))
        has = {what: cohort.having(what) for what in sorted(learns)}
        for patient in cohort.patients:
            if lacks := [WORDS[what] for what, those in has.items() if patient not in those]:
                rows.append((method.title, patient, " and ".join(lacks), patient not in able[method.title]))
    return pd.DataFrame(rows, columns=list(LACKING.columns))


def counts_of_lacking(methods: Sequence[Method], cohort: Cohort) -> pd.DataFrame:
    """How many patients each method has, where some lack what it predicts or learns from; else no rows.

    Returns:
        method, patients, events, "without it" (whom it does without), "left out", lacking (what those two lack).
    """
    table, able, rows = lacking_table(methods, cohort), able_of(methods, cohort), []
    for method in methods if len(table) else ():
        own = table[table["method"] == method.title]
        has = np.array([patient in able[method.title] for patient in cohort.patients])
        alone = int((~own["left_out"].astype(bool)).sum())
        lacks = ", ".join(sorted(set(own["lacks"])))
        events = int(cohort.outcome.event[has].sum())
        rows.append((method.title, int(has.sum()), events, alone, len(own) - alone, lacks))
    columns = ["method", "patients", "events", "without it", "left out", "lacking"]
    return pd.DataFrame(rows, columns=columns)


def told_of_lacking(methods: Sequence[Method], cohort: Cohort) -> list[str]:
    """What is lacking in sentences, each of all methods that it is true of."""
    table = lacking_table(methods, cohort)
    of: dict[tuple[str, str, int], list[str]] = {}
    fused = {method.title for method in methods if method.profile.alternatives}
    for (title, is_out, lacks), rows in table.groupby(["method", "left_out", "lacks"], sort=False):
        how = "Trained by what else they have" if title in fused else "Trained by the outcome alone"
        how = "Neither trained nor tested on" if is_out else f"{how}, and tested, on"
        of.setdefault((how, str(lacks), len(rows)), []).append(str(title))
    return [
        f"{how} {count(number, 'patient')} of {len(cohort)} without {lacks}: {listed(titles, 30)}."
        for (how, lacks, number), titles in of.items()
    ]
