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
        who otherwise teaches it by the outcome alone.
    """
    able, rows = able_of(methods, cohort), []
    for method in methods:
        learns = needs_of([method], cohort)[method.title] | (method.profile.learns_from & set(WORDS))
        has = {what: cohort.having(what) for what in sorted(learns)}
        for patient in cohort.patients:
            if lacks := [WORDS[what] for what, those in has.items() if patient not in those]:
                rows.append((method.title, patient, " and ".join(lacks), patient not in able[method.title]))
    return pd.DataFrame(rows, columns=list(LACKING.columns))


def counts_of_lacking(methods: Sequence[Method], cohort: Cohort) -> pd.DataFrame:
    """How many patients each method has, where some lack what it predicts or learns from; else no rows.

    Returns:
        method, patients, events, "by outcome alone" (who teach it by that), "left out", lacking (what those two lack).
    """
    table, able, rows = lacking_table(methods, cohort), able_of(methods, cohort), []
    for method in methods if len(table) else ():
        own = table[table["method"] == method.title]
        has = np.array([patient in able[method.title] for patient in cohort.patients])
        alone = int((~own["left_out"].astype(bool)).sum())
        lacks = ", ".join(sorted(set(own["lacks"])))
        events = int(cohort.outcome.event[has].sum())
        rows.append((method.title, int(has.sum()), events, alone, len(own) - alone, lacks))
    columns = ["method", "patients", "events", "by outcome alone", "left out", "lacking"]
    return pd.DataFrame(rows, columns=columns)


def told_of_lacking(methods: Sequence[Method], cohort: Cohort) -> list[str]:
    """What is lacking in sentences, each of all methods that it is true of."""
    table = lacking_table(methods, cohort)
    of: dict[tuple[bool, str, int], list[str]] = {}
    for (title, is_out, lacks), rows in table.groupby(["method", "left_out", "lacks"], sort=False):
        of.setdefault((bool(is_out), str(lacks), len(rows)), []).append(str(title))
    told = []
    for (is_out, lacks, number), titles in of.items():
        named, who = listed(titles, 30), f"{count(number, 'patient')} of {len(cohort)} without {lacks}"
        if is_out:
            told.append(f"Neither trained nor tested on {who}: {named}.")
        else:
            told.append(f"Trained by the outcome alone, and tested, on {who}: {named}.")
    return told
