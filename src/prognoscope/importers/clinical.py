"""Clinical tables of portals -> what each source tells of each patient: endpoints in months, and covariates."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from prognoscope.cohort.columns import numbers_in
from prognoscope.cohort.status import CODED
from prognoscope.cohort.time_units import TimeUnit, in_months, refuse_two_units
from prognoscope.core.errors import CohortError, some
from prognoscope.core.tables import as_text, read_table, row_of
from prognoscope.core.words import count
from prognoscope.importers.barcodes import FULL, Sample, as_barcode, sample_in, tissue_of
from prognoscope.importers.names import DEATH, ENDPOINTS, LAST, PATIENT, SAMPLE, VITAL, WANTED, with_bare_names
from prognoscope.importers.recognise import CDR_SHEET, PORTALS, PortalFile

WHAT = "The clinical table"
OBSERVED = frozenset(
    {"1", "1.0", "true", "deceased", "dead", "dead with tumor", "recurred/progressed", "progression", "recurred"}
)
CENSORED = frozenset(
    {
        *("0", "0.0", "false", "living", "alive", "alive or dead tumor free", "diseasefree", "disease free"),
        *("not recurred", "censored"),
    }
)
SEXES = {"f": "female", "m": "male", "female": "female", "male": "male"}
LONGEST_LIFE = 150  # years: an age beyond it is in days
DAYS_A_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Told:
    """What one source tells of one thing."""

    what: str  # an endpoint, or a column of the cohort
    portal: str
    source: str  # the file, and its columns
    values: pd.DataFrame  # index patient; of an endpoint `months` and `event` (1, 0, NaN), else `value`


@dataclass(slots=True)
class ClinicalSources:
    """All that clinical tables tell, in the order of precedence."""

    told: list[Told] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    redacted: dict[str, str] = field(default_factory=dict)  # patient -> where it says so
    samples: dict[str, Sample] = field(default_factory=dict)  # of tables that tell whose samples are
    notes: list[str] = field(default_factory=list)
    differing: list[tuple[str, str, str, str, str]] = field(default_factory=list)  # patient, what, file, taken, other


def read_sources(files: Sequence[PortalFile], portal: str) -> ClinicalSources:
    """The clinical tables among the files.

    Args:
        portal: Whose word counts before that of the others, which follow in the order of their files.

    Raises:
        CohortError: There is none, or one cannot be understood.
    """
    tables = [each for each in files if each.kind == "clinical"]
    if not tables:
        raise CohortError(
            "None of the files has follow-up. Add the portal's clinical table: clinical.tsv of the GDC, the survival "
            "table of Xena, data_clinical_patient.txt of cBioPortal, or the TCGA-CDR."
        )
    found = ClinicalSources()
    for each in dict.fromkeys([portal, *(each.portal for each in tables)]):
        if of_portal := [table for table in tables if table.portal == each]:
            _Reader(found, each).read(of_portal)
    found.patients = list(dict.fromkeys(found.patients))
    return found


class _Reader:
    """The tables of one portal, which complete each other."""

    def __init__(self, found: ClinicalSources, portal: str):
        self.found, self.portal = found, portal
        self.rows = pd.DataFrame()  # of all tables, with bare names; patient, file and row in columns of their own
        self.of_tumour = self.rows  # without those of a patient's other tumours
        self.written: dict[str, dict[str, str]] = {}  # file -> bare name -> as it is written there

    def read(self, tables: Sequence[PortalFile]) -> None:
        self.rows = pd.concat([self._of(each) for each in tables], ignore_index=True)
        self.found.patients += list(self.rows["_who"])
        self._redacted()
        self.of_tumour = self.rows[~self._of_other_tumours()]
        for name in ENDPOINTS:
            self._endpoint(name)
        self._overall()
        for what, names in WANTED.items():
            self._covariate(what, names)

    def _of(self, file: PortalFile) -> pd.DataFrame:
        ids = [name for name in file.columns if name.rpartition(".")[2] in ("submitter_id", "case_id")]
        read = read_table(file.path, WHAT, text=ids, sheet=CDR_SHEET)
        table = with_bare_names(read)
        self.written[file.path.name] = dict(table.attrs["written"])
        there = [name for name in (*PATIENT, *SAMPLE) if name in table]
        if not there:
            raise CohortError(f"{file.path} has no column of patients; it has {some(table.columns)}. Leave it out.")
        key = next((name for name in there if _are_barcodes(table[name])), there[0])
        ids = as_text(table[key])
        rows = [row_of(read, i) for i in range(len(table))]
        if (missing := [row for row, name in zip(rows, ids, strict=True) if name is None]) and len(missing) == len(ids):
            raise CohortError(f"{file.path} has no patient in its column {key}. Download it again.")
        if missing:
            self.found.notes.append(f"{file.path.name}: left out: {count(len(missing), 'row')} without a {key}.")
        if key in PATIENT and (of_sample := next((name for name in SAMPLE if name in table), None)):
            self._samples(table, ids, of_sample)
        people = [None if name is None else sample_in(name).patient for name in ids]
        table = table.assign(_who=pd.Series(people, index=table.index, dtype=object))
        table = table.assign(_file=file.path.name, _row=rows)[ids.notna().to_numpy()]
        return table

    def _samples(self, table: pd.DataFrame, ids: pd.Series, column: str) -> None:
        kinds = as_text(table["sample_type"]) if "sample_type" in table else pd.Series([None] * len(table))
        for name, patient, kind in zip(as_text(table[column]), ids, kinds, strict=True):
            if name is not None and patient is not None:
                plain = as_barcode(name)
                tissue = sample_in(plain).tissue or tissue_of(kind)
                self.found.samples.setdefault(plain, Sample(plain, sample_in(patient).patient, tissue))

    def _redacted(self) -> None:
        if "redaction" not in self.rows:
            return
        words = as_text(self.rows["redaction"])
        for patient, word, file in zip(self.rows["_who"], words, self.rows["_file"], strict=True):
            if word is not None:
                self.found.redacted.setdefault(patient, f"{file} says {word}")

    def _of_other_tumours(self) -> np.ndarray:
        """Which rows are of another disease of a patient of whose primary one there are rows, as the GDC tells."""
        is_primary, is_other = (np.zeros(len(self.rows), dtype=bool) for _ in range(2))
        for name in ("diagnosis_is_primary_disease", "classification_of_tumor"):
            if name in self.rows:
                words = as_text(self.rows[name]).str.lower().to_numpy()
                says = np.isin(words.astype(str), ["true", "primary"])
                is_primary |= says
                is_other |= ~says & pd.notna(words)
        is_other &= ~is_primary
        is_other &= self.rows["_who"].isin(self.rows["_who"][is_primary]).to_numpy()
        if n := int(is_other.sum()):
            told = f"{count(n, 'row')} of other tumours than the primary one tell no covariate."
            self.found.notes.append(f"{', '.join(self.written)}: {told}")
        return is_other

    def _endpoint(self, name: str) -> None:
        """Of a status and a time that are named after the endpoint."""
        low = name.lower()
        pairs: tuple[tuple[str, str, TimeUnit], ...] = (
            (low, f"{low}_time", "days"),
            (f"{low}_status", f"{low}_months", "months"),
        )
        for status, time, unit in pairs:
            if status in self.rows and time in self.rows:
                event = self._first(status, self._event)
                if len(event):
                    self._tell_endpoint(name, (time, status), _months(self._number(time, unit), unit), event)

    def _overall(self) -> None:
        """Overall survival of vital status, days to death and days to last follow-up."""
        vital = self._known(VITAL)
        death, last = self._known(DEATH), [name for name in LAST if name in self.rows]
        if vital is None or (death is None and not last):
            return
        event = self._first(vital, self._event)
        days_dead = self._number(death, "days") if death else pd.Series(np.nan, index=event.index)
        found = [self._number(name, "days", largest=True) for name in last]
        days_last = pd.concat(found, axis=1).max(axis=1) if found else pd.Series(np.nan, index=event.index)
        days_dead, days_last = days_dead.reindex(event.index), days_last.reindex(event.index)
        undated = event.index[(event == 1) & days_dead.isna()]
        if len(undated):
            self.found.notes.append(
                f"{PORTALS[self.portal]} tells of {count(len(undated), 'death')} and not when: {some(undated)}. Their "
                "time of overall survival was left empty: that of last follow-up is not that of death."
            )
        odd = event.index[(event == 0) & days_dead.notna()]
        if len(odd):
            self.found.notes.append(
                f"{PORTALS[self.portal]} gives days to death of {count(len(odd), 'patient')} who it says are alive: "
                f"{some(odd)}. Their status and time were left empty."
            )
        event = event.mask(event.index.isin(odd))
        days = days_dead.where(event == 1, days_last).mask(event.isna())
        columns = tuple(name for name in (vital, death, *last) if name)
        self._tell_endpoint("OS", columns, _months(days, "days"), event)

    def _tell_endpoint(self, name: str, columns: Sequence[str], months: pd.Series, event: pd.Series) -> None:
        values = pd.DataFrame({"months": months.reindex(event.index), "event": event}).astype(np.float64)
        values = values.dropna(how="all")
        if len(values):
            self.found.told.append(Told(name, self.portal, self._source(columns), values))

    def _covariate(self, what: str, names: Sequence[str]) -> None:
        column = self._known(names)
        if what == "cancer_type" and column is None and self.portal == "tcga-cdr":
            column = self._known(("type",))
        if column is None:
            return
        value = (self._ages(names) if what == "age" else self._first(column, MEANINGS.get(what, str.strip))).dropna()
        if len(value):
            values = pd.DataFrame({"value": value})
            self.found.told.append(Told(what, self.portal, self._source((column,)), values))

    def _ages(self, names: Sequence[str]) -> pd.Series:
        column = self._known(names)
        assert column is not None  # who calls looked
        years = self._number(column, None)
        if years.median() > LONGEST_LIFE:
            years = years / DAYS_A_YEAR
            self.found.notes.append(f"{self._source((column,))}: ages in days were divided by {DAYS_A_YEAR}.")
        return years.round(2)

    def _known(self, names: Sequence[str]) -> str | None:
        """The first of the names under which there is any value."""
        there = (name for name in names if name in self.of_tumour)
        return next((name for name in there if as_text(self.of_tumour[name]).notna().any()), None)

    def _number(self, column: str, unit: TimeUnit | None, *, largest: bool = False) -> pd.Series:
        """The number of each patient: the first that is there, or the largest."""
        rows = self.of_tumour if unit is None else self.rows
        text = as_text(rows[column])
        if unit is not None:
            looked = rows[[column]].assign(row=rows["_row"]).set_axis(pd.Index(rows["_who"]))
            refuse_two_units(rows[[column]], looked, column, unit, self._source((column,)))
        number = pd.Series(numbers_in(text), index=pd.Index(rows["_who"]))
        wrong = [word for word, value in zip(text, number, strict=True) if word is not None and not np.isfinite(value)]
        if wrong:
            self.found.notes.append(f"{self._source((column,))}: no number, so left empty: {some(map(repr, wrong))}.")
        if largest:
            return number.groupby(level=0, sort=False).max()
        self._differ(column, number.dropna())
        return number.groupby(level=0, sort=False).first()

    def _first(self, column: str, meaning: Callable[[str], object]) -> pd.Series:
        """The first word of each patient that says something, as it is meant."""
        text = as_text(self.of_tumour[column])
        text.index = pd.Index(self.of_tumour["_who"])
        meant = pd.Series([None if word is None else meaning(word) for word in text], index=text.index, dtype=object)
        unclear = {word for word, value in zip(text, meant, strict=True) if word is not None and value is None}
        if unclear:
            self.found.notes.append(
                f"{self._source((column,))}: not known words, so left empty: {some(sorted(map(repr, unclear)))}."
            )
        meant = meant.dropna()
        self._differ(column, meant)
        return meant.groupby(level=0, sort=False).first()

    def _differ(self, column: str, values: pd.Series) -> None:
        """Note the patients whose rows differ."""
        repeated = values[values.index.duplicated(keep=False)]
        if not len(repeated):
            return
        for patient, each in repeated.groupby(level=0, sort=False):
            words = [f"{value:g}" if isinstance(value, float) else str(value) for value in each.unique()]
            if len(words) > 1:
                self.found.differing.append((str(patient), column, self._source((column,)), words[0], words[1]))

    def _event(self, word: str) -> float | None:
        coded = CODED.fullmatch(word)
        plain = " ".join(word.lower().split())
        if coded:
            return float(coded[1])
        return 1.0 if plain in OBSERVED else 0.0 if plain in CENSORED else None

    def _source(self, columns: Collection[str]) -> str:
        """`clinical.tsv (vital_status, days_to_death)`, the columns as they are written in the files that have them."""
        told = []
        for file, written in self.written.items():
            if there := [written[name] for name in columns if name in written]:
                told.append(f"{file} ({', '.join(there)})")
        return ", ".join(told)


def _are_barcodes(column: pd.Series) -> bool:
    """Whether ids are whole barcodes: beside them, Xena's older tables have their last four letters as patient_id."""
    names = as_text(column).dropna()
    return len(names) > 0 and all(FULL.fullmatch(as_barcode(name)) for name in names)


def _months(time: pd.Series, unit: TimeUnit) -> pd.Series:
    return pd.Series(in_months(time.to_numpy(np.float64), unit), index=time.index)


def _cancer(word: str) -> str:
    return word.upper().removeprefix("TCGA-")


def _sex(word: str) -> str:
    return SEXES.get(word.lower(), word.lower())


def _stage(word: str) -> str:
    """`Stage IIA` of STAGE IIA, stage iia and Stage IIA."""
    head, _, rest = word.strip().partition(" ")
    return f"Stage {rest.upper()}" if head.lower() == "stage" and rest else word.strip()


MEANINGS = {"cancer_type": _cancer, "sex": _sex, "stage": _stage, "race": str.lower, "ethnicity": str.lower}
