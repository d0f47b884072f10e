"""The risks of a simulated cohort's patients to whoever knows the truth, from the file that the simulation left."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from prognoscope.core.errors import InputError, some
from prognoscope.core.tables import read_table

RISKS = {"oracle": "risk_oracle", "oracle_slides": "risk_slides", "oracle_genes": "risk_genes"}  # row -> column


def read_oracles(path: Path, patients: Sequence[str]) -> Mapping[str, pd.Series]:
    """The oracle risks of a simulated cohort, by the row that they have in the metrics; each has patients for index.

    Raises:
        InputError: Patients or all risks are missing.
    """
    table = read_table(path, "The table of the truth")
    if "patient_id" not in table or not set(RISKS.values()) & set(table):
        raise InputError(f"{path} needs a column patient_id and any of {', '.join(RISKS.values())}.")
    table = table.set_index("patient_id")
    if missing := [patient for patient in patients if patient not in table.index]:
        raise InputError(f"{path} lacks {len(missing)} patients: {some(missing)}.")
    return {name: table[column] for name, column in RISKS.items() if column in table}
