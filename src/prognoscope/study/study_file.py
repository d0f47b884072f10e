"""A study as data: its checked settings, and the folder that its paths are relative to."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from prognoscope.cohort.splits import SplitSpec
from prognoscope.core.files import digest
from prognoscope.core.settings import made_whole
from prognoscope.features.extract import FeatureSpec
from prognoscope.study.sections import CohortSpec
from prognoscope.study.spec import StudySpec, parse_study, read_study

Kind = TypeVar("Kind", bound="StudyFile")
ASKED = "# ? "  # how a line of a study file begins that its owner must answer


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A checked study file; its settings have paths as they were written, its properties have them whole."""

    spec: StudySpec
    folder: Path
    store: Path | None = None  # of embeddings, where the study's own folder cannot be written to
    command: str = "prognoscope run study.yaml"  # that runs it, from its folder
    asked: tuple[str, ...] = ()  # questions that are left in the file

    @classmethod
    def load(cls: type[Kind], path: Path | str, overrides: Sequence[str] = ()) -> Kind:
        """The study in a YAML file.

        Args:
            overrides: `section.key=value`, the value in YAML.

        Raises:
            StudyError: A key or a value is wrong.
        """
        path = Path(path)
        sets = [word for override in overrides for word in ("--set", override)]
        command = shlex.join(["prognoscope", "run", path.name, *sets])
        spec = read_study(path, overrides)
        return cls(spec, path.absolute().parent, command=command, asked=_questions_in(path))

    @classmethod
    def of(cls: type[Kind], values: Mapping[str, Any], folder: Path | str = ".") -> Kind:
        """The study in a mapping, with paths relative to `folder`."""
        return cls(parse_study(values), Path(folder).absolute())

    @property
    def where(self) -> CohortSpec:
        """The tables, slides and embeddings."""
        return made_whole(self.spec.cohort, self.folder)

    @property
    def features(self) -> FeatureSpec:
        """How slides become embeddings."""
        return made_whole(self.spec.features, self.folder)

    @property
    def splits(self) -> SplitSpec:
        """How patients are divided."""
        return made_whole(self.spec.splits, self.folder)

    @property
    def cache(self) -> Path:
        """Where embeddings and packed files are kept, beside the study file if possible; safe to delete."""
        return self.store or self.folder / "embeddings"

    @property
    def extracted(self) -> Path | None:
        """The folder of the study's own embeddings, named after all that decides them; None without slides.

        Of a file of weights its name alone, so that the study may move; each file in the folder tells their content.
        """
        if self.spec.cohort.slides is None:
            return None
        features, weights = self.spec.features.decisive(), self.spec.features.weights
        features["weights"] = None if weights is None else Path(weights).name
        name = f"{self.spec.features.encoder.replace(':', '-')}-{digest(features)[:8]}"
        beside = self.folder / "embeddings" / name
        return beside if beside.is_dir() else self.cache / name


def _questions_in(path: Path) -> tuple[str, ...]:
    lines = (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    return tuple(line.removeprefix(ASKED) for line in lines if line.startswith(ASKED))
