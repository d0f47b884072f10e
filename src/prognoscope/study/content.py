"""The content of a cohort and its bags as a fingerprint, part by part and patient by patient; no paths, no times."""

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from prognoscope.cohort.cohort import Cohort
from prognoscope.features.store import PackedEmbeddings
from prognoscope.omics.groups import grouped_columns
from prognoscope.runs.fingerprint import PEOPLE, Fingerprint, sum_of

BY_NAME = "genes by name"  # that may be learned from, in whatever order and among whatever others a table has them


def content_of(cohort: Cohort, pack: PackedEmbeddings | None) -> Fingerprint:
    """What stands for all that trainings may see of these patients, as it was read."""
    patients, outcome = cohort.patients, cohort.outcome
    follow_up = pd.DataFrame({"time": outcome.time, "event": outcome.event}, patients)
    if outcome.competing is not None:
        follow_up["competing"] = outcome.competing
    parts: dict[str, str | dict[str, str]] = {PEOPLE: _by_patient(follow_up, patients)}
    if cohort.covariates is not None:
        parts["covariates"] = _by_patient(cohort.covariates, patients)
    if cohort.omics is not None:
        values = cohort.omics.values
        parts["genes"] = _by_patient(values, patients)
        parts[BY_NAME] = genes_by_name(values, grouped_columns(list(values.columns), cohort.groups), patients)
        groups = None if cohort.groups is None else {name: list(genes) for name, genes in cohort.groups.items()}
        parts["gene groups"] = sum_of(list(groups.items()) if groups else None)
    if cohort.subtype:
        parts["subtypes"] = {patient: cohort.subtype.get(patient, "") for patient in patients}
    if pack is not None:
        parts["embeddings"] = {patient: pack.sums.get(patient, "") for patient in patients}
        parts["encoder"] = str(pack.origin)
    return Fingerprint(parts)


def genes_by_name(values: pd.DataFrame, columns: Iterable[str], patients: Sequence[str]) -> dict[str, str]:
    """Patient -> what stands for these of their genes."""
    return _by_patient(values[sorted(columns)], patients)


def _by_patient(table: pd.DataFrame, patients: Sequence[str]) -> dict[str, str]:
    """Patient -> what stands for their row; the names of the columns, and their order, are part of each."""
    rows = table.reindex(list(patients))
    head = json.dumps([str(name) for name in table.columns]).encode()
    if all(is_numeric_dtype(kind) for kind in table.dtypes):
        values = rows.to_numpy(np.float64, na_value=np.nan)
        values = np.where(np.isnan(values), np.nan, values)  # NaN has many bit patterns
        contents = [row.tobytes() for row in values]
    else:
        contents = [json.dumps([None if pd.isna(v) else str(v) for v in row]).encode() for row in rows.to_numpy(object)]
    begun = hashlib.sha256(head)
    return {patient: _digits(begun, content) for patient, content in zip(patients, contents, strict=True)}


def _digits(begun, content: bytes) -> str:
    sha = begun.copy()
    sha.update(content)
    return sha.hexdigest()[:16]
