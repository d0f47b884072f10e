"""The risks of a simulated cohort's patients to whoever knows the truth, from the file that the simulation left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.core.errors import InputError, some
from prognoscope.core.ids import match_ids
from prognoscope.core.tables import notes_of, read_table

RISKS = {"oracle": "risk_oracle", "oracle_slides": "risk_slides", "oracle_genes": "risk_genes"}  # row -> column


@dataclass(frozen=True, slots=True)
class Oracles:
    """What those who know the truth say."""

    risks: Mapping[str, pd.Series]  # row that they have in the metrics -> the risk of each patient, who are its index
    notes: tuple[str, ...] = ()  # how the table was read, where that was not plain
    warnings: tuple[str, ...] = ()  # on ids that are written in another way


def read_oracles(path: Path, patients: Sequence[str]) -> Oracles:
    """The oracle risks of a simulated cohort.

    Raises:
        InputError: Patients or all risks are missing, a patient is there twice, or a risk is no number.
    """
    table = read_table(path, "The table of the truth")
    columns = {name: column for name, column in RISKS.items() if column in table}
    if "patient_id" not in table or not columns:
        raise InputError(f"{path} needs a column patient_id and any of {', '.join(RISKS.values())}.")
    ids = table["patient_id"].dropna()
    if twice := sorted(set(ids[ids.duplicated()])):
        raise InputError(f"{path} has {len(twice)} patients twice: {some(twice)}. Leave one row of each.")
    owners = match_ids(patients, ids, path.name, one_each=True)
    table = table.loc[ids.index].assign(patient_id=ids.map(owners.patient_of)).set_index("patient_id")
    if missing := [patient for patient in patients if patient not in table.index]:
        raise InputError(f"{path} lacks {len(missing)} patients: {some(missing)}. Add their rows.")
    table = table.loc[list(patients)]
    for column in columns.values():
        if table[column].dtype.kind not in "fiu" or not np.isfinite(table[column]).all():
            raise InputError(f"{path} has risks in {column!r} that are missing or no numbers. Write them again.")
    risks = {name: table[column] for name, column in columns.items()}
    return Oracles(risks, notes_of(table), owners.warnings)
