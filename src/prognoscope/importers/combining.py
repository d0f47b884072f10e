"""What several sources tell of the same patients -> one table, with every disagreement listed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from prognoscope.core.errors import CohortError, some
from prognoscope.core.ids import BARCODE, refuse_twins
from prognoscope.core.words import count
from prognoscope.importers.clinical import ClinicalSources, Told
from prognoscope.importers.names import ENDPOINTS, WANTED

MONTHS_APART, SHARE_APART, YEARS_APART = 0.15, 0.01, 1.0  # what is closer is rounding
CONFLICTS = ["patient_id", "what", "taken", "from", "other", "of"]
EVERY = "all"  # cancer types
Step = tuple[str, int, Mapping[str, str]]  # what was done, how many are left, who went and why


@dataclass(frozen=True, slots=True)
class Patients:
    """The clinical table of a cohort and how it came about."""

    table: pd.DataFrame  # patient_id, <endpoint>_months and <endpoint>_event, covariates, site
    steps: tuple[Step, ...]
    origins: pd.DataFrame  # what, from, patients, events
    conflicts: pd.DataFrame  # columns of CONFLICTS


def combine(sources: ClinicalSources, cancers: Sequence[str]) -> Patients:
    """One row a patient; each value from the first source that has it.

    Args:
        cancers: Types to keep; with `all`, every one.

    Raises:
        CohortError: The sources tell of several types of cancer and none was chosen; nobody is left; two ids are one.
    """
    patients, told = list(sources.patients), set(sources.patients)
    steps: list[Step] = [("in the clinical tables", len(patients), {})]
    gone = {patient: why for patient, why in sources.redacted.items() if patient in told}
    if gone:
        patients = [patient for patient in patients if patient not in gone]
        steps.append(("not redacted", len(patients), gone))
    kinds = [each for each in sources.told if each.what == "cancer_type"]
    if kinds:
        patients, step = _of_cancers(_first_of(kinds, pd.Index(patients), is_endpoint=False)[0]["value"], cancers)
        steps += step
    elif cancers and {cancer.lower() for cancer in cancers} != {EVERY}:
        raise CohortError("The clinical tables tell nobody's type of cancer, which --cancer chooses by. Leave it out.")
    refuse_twins(patients, "The clinical tables")
    everybody = pd.Index(patients, name="patient_id")
    columns, origins = {}, []
    conflicts = [_within(each) for each in sources.differing if each[0] in everybody]
    for what in (*ENDPOINTS, *WANTED):
        if not (told := [each for each in sources.told if each.what == what]):
            continue
        value, used = _first_of(told, everybody, is_endpoint=what in ENDPOINTS)
        conflicts += _conflicts(value, used, told, what)
        if what in ENDPOINTS:
            columns |= {f"{what}_months": value["months"].round(4), f"{what}_event": value["event"].astype("Int64")}
        else:
            columns[what] = value["value"]
        for each in told:
            of = value[(used == each.source).to_numpy()]
            whole = of.notna().all(axis=1)
            events = int(of.loc[whole, "event"].sum()) if what in ENDPOINTS else ""
            origins.append({"what": what, "from": each.source, "patients": int(whole.sum()), "events": events})
    table = pd.DataFrame(columns, index=everybody)
    if "age" in table and (table["age"].dropna() % 1 == 0).all():
        table["age"] = table["age"].astype("Int64")
    sites = {patient: found[1] for patient in table.index if (found := BARCODE.match(patient))}
    if len(sites) == len(table):
        table["site"] = [sites[patient] for patient in table.index]
        origins.append({"what": "site", "from": "the barcodes of patients", "patients": len(sites), "events": ""})
    return Patients(
        table.reset_index(),
        tuple(steps),
        pd.DataFrame(origins, columns=["what", "from", "patients", "events"]),
        pd.DataFrame(conflicts, columns=CONFLICTS),
    )


def _first_of(told: Sequence[Told], patients: pd.Index, *, is_endpoint: bool) -> tuple[pd.DataFrame, pd.Series]:
    """The values, and from which source each patient's are. An endpoint's time and status are always of one source."""
    found = told[0].values.reindex(patients)
    used = pd.Series(np.where(found.notna().any(axis=1), told[0].source, ""), index=found.index)
    for each in told[1:]:
        other = each.values.reindex(patients)
        better = other.notna().sum(axis=1) > found.notna().sum(axis=1)
        if is_endpoint:  # half a follow-up is worth nothing beside a whole one
            better &= other.notna().all(axis=1) | found.isna().all(axis=1)
        found = found.mask(better, other)
        used = used.mask(better, each.source)
    return found, used


def _within(each: tuple[str, str, str, str, str]) -> dict[str, str]:
    patient, what, source, taken, other = each
    return dict(zip(CONFLICTS, (patient, what, taken, source, other, source), strict=True))


def _conflicts(value: pd.DataFrame, used: pd.Series, told: Sequence[Told], what: str) -> list[dict[str, str]]:
    """Those of whom another source tells something else than what was taken."""
    found = []
    for each in told:
        common = value.index[(used != each.source).to_numpy() & (used != "").to_numpy()].intersection(each.values.index)
        a, b = value.loc[common], each.values.loc[common]
        for patient in common[_differ(a, b, what)]:
            row = (patient, what, _shown(a.loc[patient]), used[patient], _shown(b.loc[patient]), each.source)
            found.append(dict(zip(CONFLICTS, row, strict=True)))
    return found


def _differ(a: pd.DataFrame, b: pd.DataFrame, what: str) -> np.ndarray:
    if what in ENDPOINTS:
        apart = (a["months"] - b["months"]).abs()
        events = (a["event"] != b["event"]) & a["event"].notna() & b["event"].notna()
        return ((apart > np.maximum(MONTHS_APART, SHARE_APART * a["months"].abs())) | events).to_numpy()
    if what == "age":
        return ((a["value"] - b["value"]).abs() > YEARS_APART).to_numpy()
    one, other = (each["value"].astype(str).str.casefold() for each in (a, b))
    return (one != other).to_numpy()


def _shown(row: pd.Series) -> str:
    if "value" in row.index:
        return str(row["value"])
    event = {1.0: "event", 0.0: "censored"}.get(row["event"], "status unknown")
    return f"{event} at {row['months']:.2f} months" if row["months"] == row["months"] else f"{event}, time unknown"


def _of_cancers(types: pd.Series, cancers: Sequence[str]) -> tuple[list[str], list[Step]]:
    """The patients of the types that were asked for."""
    counts = types.value_counts()
    named = some((f"{kind} ({n})" for kind, n in counts.items()), 40)
    wanted = {cancer.upper().removeprefix("TCGA-") for cancer in cancers}
    if not wanted and len(counts) > 1:
        raise CohortError(
            f"The clinical tables tell of {len(counts)} types of cancer: {named}. Say which with --cancer, which may "
            "be given again, or take them together with --cancer all."
        )
    if not wanted or wanted == {EVERY.upper()}:
        return list(types.index), []
    if strange := sorted(wanted - set(counts.index)):
        raise CohortError(f"Nobody has the type of cancer {strange[0]}; there are {named}.")
    is_other = (~types.isin(wanted)).to_numpy()
    other = types[is_other].fillna("type unknown")
    gone = {str(patient): str(kind) for patient, kind in other.items()}
    step = f"of {count(len(wanted), 'type')} of cancer: {', '.join(sorted(wanted))}"
    return list(types.index[~is_other]), [(step, int((~is_other).sum()), gone)]
