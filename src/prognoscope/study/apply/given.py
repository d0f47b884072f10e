"""New patients as files alone: a study like that of the models is made of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from prognoscope.cohort.clinical_spec import FollowUpSpec
from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.slides import read_slide_table
from prognoscope.core.errors import MissingFileError, StudyError
from prognoscope.core.files import need_file, why_not_there
from prognoscope.core.ids import is_normal, person_in
from prognoscope.core.settings import paths_of
from prognoscope.core.tables import read_table
from prognoscope.core.words import listed
from prognoscope.features.store import find_embeddings, read_embedding_table
from prognoscope.omics.tables import read_omics
from prognoscope.study.inputs import read_cohort
from prognoscope.study.sections import CohortSpec
from prognoscope.study.study_file import StudyFile
from prognoscope.study.yaml_file import set_value

NAME = "new_patients"  # of their cohort
OPTIONS = {"bag": "--features", "omics": "--genes", "clinical": "--clinical"}
OF_CLINICAL = ("patient", "covariates", "categories", "not_outcomes")
OF_FOLLOW_UP = tuple(FollowUpSpec.__dataclass_fields__)
OF_OMICS = ("layout", "kinds", "unsuffixed")


@dataclass(frozen=True, slots=True)
class Reading:
    """How the tables of training were read, so that new ones are read alike; names of columns alone."""

    clinical: Mapping[str, Any] = field(default_factory=dict)
    omics: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, where: CohortSpec) -> "Reading":
        """As a study reads them."""

        def told(spec: object, names: tuple[str, ...]) -> dict[str, Any]:
            return {n: v for n in names if (v := getattr(spec, n, None)) not in (None, ())}

        clinical = told(where.clinical, (*OF_CLINICAL, "bad_time")) | told(where.clinical.followed, OF_FOLLOW_UP)
        return cls(clinical, told(where.omics, OF_OMICS), told(where.features, ("layout",)))


@dataclass(frozen=True, slots=True)
class Given:
    """The files of new patients."""

    features: Path | None = None  # a folder of embeddings, or a table with a row a patient
    genes: Path | None = None
    clinical: Path | None = None
    slides: Path | None = None  # slide -> patient; by name without one

    def check(self, title: str, enough: Collection[frozenset[str]]) -> None:
        """Refuse files that leave out what a method predicts from.

        Raises:
            StudyError: They do; names the option that is lacking.
            MissingFileError: A file is not there.
        """
        there = {"bag": self.features, "omics": self.genes, "clinical": self.clinical}
        given = {what for what, path in there.items() if path is not None}
        if not any(needs <= given for needs in enough):
            least = min(enough, key=lambda needs: (len(needs - given), sorted(needs)))
            wanted, lacking = (
                listed([OPTIONS[what] for what in OPTIONS if what in of]) for of in (least, least - given)
            )
            raise StudyError(f"{title} predicts from {wanted}. Give {lacking}, too.")
        named = {"--genes": self.genes, "--clinical": self.clinical, "--slides": self.slides}
        for option, path in named.items():
            if path is not None:
                need_file(path, f"{option}", "Correct the path.")

    def study(self, reading: Reading, folder: Path, overrides: Sequence[str] = ()) -> StudyFile:
        """A study of these files that are read as those of training were; what it makes goes into the folder.

        Raises:
            StudyError: A key or a value that is set is wrong.
            MissingFileError: A path, which is relative to the current folder, is not there.
        """
        where: dict[str, Any] = {"clinical": {"table": [], **_plain(reading.clinical, OF_CLINICAL)}}
        if self.clinical is not None:
            columns = set(map(str, read_table(self.clinical, "The clinical table").columns))
            asked = _plain(reading.clinical, (*OF_FOLLOW_UP, "bad_time"))
            times = asked.get("time")
            status = asked.get("event", asked.get("censored"))
            outcome = {*([times] if isinstance(times, str) else times or ()), status}
            follow_up = asked if times and outcome <= columns else {}
            where["clinical"] |= {"table": str(self.clinical.absolute()), **follow_up}
        else:
            where["clinical"] = {"table": []}
        if self.genes is not None:
            where["omics"] = {"table": str(self.genes.absolute()), **_plain(reading.omics, OF_OMICS)}
        if self.features is not None:
            at = str(self.features.absolute())
            table = None if self.slides is None else str(self.slides.absolute())
            of_folder = {"folder": at, "table": table, **_plain(reading.features, ("layout",))}
            where["features"] = of_folder if self.features.is_dir() else {"table": at}
        values = {"name": NAME, "cohort": where, "methods": ["coxph"]}
        for override in overrides:
            set_value(values, override)
        study = replace(StudyFile.of(values), store=folder / "embeddings")
        if gone := [path for path in paths_of(study.where) if not Path(path).exists()]:
            cure = "Correct the path, which is relative to the current folder."
            raise MissingFileError(f"{gone[0]} does not exist. {why_not_there(gone[0])}{cure}")
        return study

    def reader(self) -> Callable[[StudyFile], Cohort]:
        """Reads such a study; without a clinical table the patients are those of the other files."""

        def read(study: StudyFile) -> Cohort:
            if self.clinical is not None:
                return read_cohort(study.spec.name, study.where, needs_follow_up=False)
            patients = self._patients(study.where)
            cohort = read_cohort(study.spec.name, study.where, needs_follow_up=False, patients=patients)
            if self.genes is None and self.slides is None and self.features is not None and self.features.is_dir():
                told = f"Nothing says whose slides these are: each of {len(patients)} files counts as a patient's."
                return cohort.told(warnings=(f"{told} Give --slides where it is not so.",))
            return cohort

        return read

    def _patients(self, where: CohortSpec) -> tuple[str, ...]:
        if where.omics is not None:
            asked = asdict(where.omics)
            ids = read_omics(where.omics.table, **{name: asked[name] for name in OF_OMICS}).values.index
        elif self.slides is not None:
            ids = [owner for owner in read_slide_table(self.slides).owners.values() if owner is not None]
        elif where.features is not None and where.features.folder is None:
            ids = read_embedding_table(where.features.table or "", where.features.patient).bags
        elif where.features is not None and where.features.folder is not None:
            found = find_embeddings(where.features.folder, where.features.layout)
            ids = [name.rsplit("/", 1)[-1] for name in found]
        else:
            raise StudyError("Nothing names a patient. Give --features, --genes or --clinical.")
        return tuple(dict.fromkeys(person_in(str(name)) for name in ids if not is_normal(str(name))))


def _plain(told: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name in names if (v := told.get(name)) is not None}
