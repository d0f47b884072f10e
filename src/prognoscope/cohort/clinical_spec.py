"""Which columns of the clinical tables tell what: follow-up, of one endpoint or of several, covariates, hospitals."""

import re
from dataclasses import dataclass, field, replace
from typing import Literal

from prognoscope.cohort.time_units import TimeUnit
from prognoscope.core.errors import CohortError, nearest, some
from prognoscope.core.settings import FilePaths, Names, settle
from prognoscope.core.tables import ID_COLUMNS, plain_name
from prognoscope.omics.columns import tells_outcome

NO_COVARIATES = ID_COLUMNS - {"site", "tissue_source_site"}  # they name the patient, as `plain_name` spells them
ENDPOINT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")  # it becomes the name of a folder


@dataclass(frozen=True, slots=True)
class FollowUpSpec:
    """The columns of one endpoint: until when patients were followed, and whether the event was observed by then."""

    time: str | tuple[str, ...] | None = None  # several columns complete each other
    time_unit: TimeUnit | None = None  # of an endpoint among several by default that of cohort.clinical
    event: str | None = None  # 1 = observed; give this one or `censored`
    censored: str | None = None  # 1 = censored
    event_values: Names | None = None  # words that mean observed, where it is not 1 or true
    censored_values: Names | None = None  # words that mean censored; by default the only other word
    competing_values: Names | None = None  # words that mean that another event came first, so that it cannot come

    def __post_init__(self):
        settle(self, CohortError)
        if self.event is not None and self.censored is not None:
            raise CohortError("give either event (1 = observed) or censored (1 = censored), not both")
        if self.competing_values and self.censored is not None:
            raise CohortError("competing_values are words of event, so name the column there, not in censored")

    @property
    def times(self) -> tuple[str, ...]:
        """The columns of times: one, or several that complete each other."""
        return (self.time,) if isinstance(self.time, str) else self.time or ()

    @property
    def status(self) -> str:
        """The column that says whether the event was observed."""
        return self.event or self.censored or ""

    @property
    def columns(self) -> tuple[str, ...]:
        """All that tell the outcome."""
        return (*self.times, *filter(None, (self.event, self.censored)))

    def lacking(self) -> list[str]:
        """The keys that it cannot do without and has not."""
        given = {"time": self.times, "time_unit": self.time_unit, "event or censored": self.status}
        return [name for name, value in given.items() if not value]


@dataclass(frozen=True, slots=True)
class ClinicalSpec:
    """Follow-up and covariates: one table, or several of the same columns.

    A table with the column `slide` (MCAT's) holds one row a slide, any other one row a patient.
    """

    table: FilePaths
    patient: str = "patient_id"
    time: str | tuple[str, ...] | None = (
        None  # this and what follows may be left out of patients who are only predicted
    )
    time_unit: TimeUnit | None = None
    event: str | None = None  # 1 = observed; give this one or `censored`
    censored: str | None = None  # 1 = censored
    event_values: Names | None = None  # words that mean observed, where it is not 1 or true
    censored_values: Names | None = None  # words that mean censored; by default the only other word
    competing_values: Names | None = None  # words that mean that another event came first, so that it cannot come
    covariates: Names = ()
    categories: Names = ()  # covariates that are categories though their words look like numbers: grade 1, 2, 3, X
    not_outcomes: Names = ()  # covariates and genes that look like the outcome and are not: known from the first day
    site: str | None = None  # by default the tissue source site of TCGA barcodes, if all patients have one
    bad_time: Literal["refuse", "drop"] = "refuse"  # a time, or a status, that is missing or impossible
    slide: str = "slide_id"
    endpoints: dict[str, FollowUpSpec] = field(default_factory=dict)  # name -> columns; in the place of one follow-up
    endpoint: str | None = None  # of several, the one that is studied; by default each in a run of its own

    def __post_init__(self):
        settle(self, CohortError)
        self._check_endpoints()
        if strange := [name for name in self.categories if name not in self.covariates]:
            raise CohortError(f"categories names {some(strange)}, which covariates does not. Add it there too.")
        outcome = {self.patient, *(name for each in self.every_follow_up for name in each.columns)}
        if leak := [name for name in self.covariates if name in outcome]:
            raise CohortError(f"{leak[0]!r} tells the outcome, so it cannot be a covariate. Remove it from covariates.")
        named = [name for name in self.covariates if name not in self.not_outcomes]
        if leaks := [name for name in named if tells_outcome(name)]:
            raise CohortError(
                f"{some(leaks)} tells the outcome by its name, so it cannot be a covariate. Remove it from covariates; "
                "or, if it was known when follow-up began, name it in cohort.clinical.not_outcomes."
            )
        if ids := [name for name in named if plain_name(name) in NO_COVARIATES]:
            raise CohortError(f"{some(ids)} names the patient, so it cannot be a covariate. Remove it from covariates.")

    def _check_endpoints(self) -> None:
        names = list(self.endpoints)
        if self.endpoint is not None and self.endpoint not in names:
            told = nearest(self.endpoint, names) if names else "there are no endpoints. Leave it out."
            raise CohortError(f"endpoint names {self.endpoint!r}; {told}")
        if not names:
            FollowUpSpec(**self._own)  # which refuses what cannot be
            return
        if given := [name for name, value in self._own.items() if value is not None and name != "time_unit"]:
            raise CohortError(f"give {some(given)} or endpoints, not both: each endpoint has keys of its own")
        if len(names) < 2:
            raise CohortError(f"endpoints has {names[0]} alone; of one endpoint, give time and event beside table")
        if odd := [name for name in names if not ENDPOINT_NAME.fullmatch(name)]:
            raise CohortError(
                f"{odd[0]!r} cannot name an endpoint, which names a folder: give up to 40 letters, digits, dashes and "
                "underscores"
            )
        if len({name.lower() for name in names}) < len(names):
            raise CohortError(f"endpoints has names that differ in case only: {some(names)}. Choose others.")
        for name, each in self.endpoints.items():
            absent = [key for key in each.lacking() if key != "time_unit" or self.time_unit is None]
            if absent:
                raise CohortError(f"endpoints.{name} needs {some(absent)}; add it")

    @property
    def _own(self) -> dict:
        """The keys of the one follow-up that stand beside the table."""
        return {name: getattr(self, name) for name in FollowUpSpec.__dataclass_fields__}

    @property
    def every_follow_up(self) -> tuple[FollowUpSpec, ...]:
        """That of each endpoint, or the only one."""
        unit = self.time_unit
        found = (replace(each, time_unit=each.time_unit or unit) for each in self.endpoints.values())
        return tuple(found) or (FollowUpSpec(**self._own),)

    def of(self, endpoint: str) -> "ClinicalSpec":
        """The same, this endpoint being the one that is studied."""
        return replace(self, endpoint=endpoint)

    @property
    def is_of_several(self) -> bool:
        """Whether there are several endpoints and none is chosen."""
        return bool(self.endpoints) and self.endpoint is None

    @property
    def followed(self) -> FollowUpSpec:
        """The columns of the follow-up that is studied; of several endpoints the one chosen, by default the first."""
        return self.every_follow_up[list(self.endpoints).index(self.endpoint) if self.endpoint else 0]

    @property
    def has_follow_up(self) -> bool:
        """Whether it names times."""
        return bool(self.followed.times)

    @property
    def not_genes(self) -> tuple[str, ...]:
        """Columns that tell the outcome or a covariate, so that none of them becomes a gene."""
        told = dict.fromkeys(name for each in self.every_follow_up for name in each.columns)
        return (*told, *([] if self.site is None else [self.site]), *self.covariates)

    def need_follow_up(self) -> tuple[FollowUpSpec, TimeUnit]:
        """The columns of the follow-up that is studied, and the unit of its times.

        Raises:
            CohortError: They are not given, or no column of events is.
        """
        found = self.followed
        if found.time_unit is None or found.lacking():
            raise CohortError(
                "In the study, cohort.clinical needs time, time_unit, and event or censored: add "
                f"{some(found.lacking())}. Only `prognoscope predict` does without."
            )
        return found, found.time_unit
