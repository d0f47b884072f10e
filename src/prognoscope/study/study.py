"""The whole way as one thing: `Study.load("study.yaml").run()`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.errors import StudyError
from prognoscope.core.files import digest
from prognoscope.features.extract import ExtractionReport, extract_slides
from prognoscope.slides.readers import find_slides
from prognoscope.study.inputs import feature_spec, read_cohort, slide_mpp
from prognoscope.study.spec import StudySpec, parse_study, read_study

if TYPE_CHECKING:
    from prognoscope.study.audit import Audit
    from prognoscope.study.clock import Standing
    from prognoscope.study.run import Run


@dataclass(frozen=True)
class Study:
    """A checked study file and the folder that its paths are relative to."""

    spec: StudySpec
    folder: Path
    left_out: tuple[str, ...] = ()  # a sentence for each method of `methods: all` that the cohort does not allow

    @classmethod
    def load(cls, path: Path | str, overrides: Sequence[str] = ()) -> "Study":
        """The study in a YAML file.

        Args:
            overrides: `section.key=value`, the value in YAML.

        Raises:
            StudyError: A key or a value is wrong.
        """
        path = Path(path)
        return cls(read_study(path, overrides), path.absolute().parent)

    @classmethod
    def of(cls, values: Mapping[str, Any], folder: Path | str = ".") -> "Study":
        """The study in a mapping, with paths relative to `folder`."""
        return cls(parse_study(values), Path(folder).absolute())

    @cached_property
    def cohort(self) -> Cohort:
        """All patients, with the account of unusable follow-up."""
        return read_cohort(self.spec, self.folder)

    @cached_property
    def new_patients(self) -> Cohort:
        """The patients of a study whose follow-up is not needed, or not known, because they are to be predicted."""
        return read_cohort(self.spec, self.folder, needs_follow_up=False)

    @cached_property
    def chosen(self) -> "Study":
        """The study with the methods that `all` and its groups stand for with this cohort.

        Raises:
            StudyError: They stand for none.
        """
        from prognoscope.study.methods import choose_methods, sizes_to_come

        if all(method.of is None for method in self.spec.methods):
            return self
        methods, left_out = choose_methods(self.spec.methods, self.cohort, sizes_to_come(self.cohort))
        chosen = replace(self, spec=self.spec.model_copy(update={"methods": methods}), left_out=left_out)
        vars(chosen)["cohort"] = self.cohort  # read once
        return chosen

    @property
    def cache(self) -> Path:
        """Where embeddings and packed files are kept, beside the study file; safe to delete."""
        return self.folder / "embeddings"

    @property
    def extracted(self) -> Path | None:
        """The folder of the study's own embeddings, named after all that decides them; None without slides."""
        if self.spec.cohort.slides is None:
            return None
        spec = feature_spec(self.spec, self.folder)
        return self.cache / f"{spec.encoder}-{digest(asdict(spec))[:8]}"

    def check(self) -> "Audit":
        """Audit the inputs; nothing is written."""
        from prognoscope.study.audit import audit_study

        return audit_study(self)

    def extract(
        self,
        *,
        workers: int = 1,
        progress: Callable[[int, int], None] | None = None,
        cohort: Cohort | None = None,
    ) -> ExtractionReport:
        """Slides of the cohort's patients -> embeddings, one file a slide; continues where it was stopped.

        Args:
            progress: Called with the number of finished and of all slides.
            cohort: Whose slides; the study's by default.

        Raises:
            StudyError: The study has no slides.
        """
        if self.spec.cohort.slides is None:
            raise StudyError("This study has no cohort.slides, so there is nothing to extract.")
        found = find_slides(self.folder / self.spec.cohort.slides.folder)
        wanted = {slide for slides in (cohort or self.cohort).slides.values() for slide in slides}
        slides = {slide: path for slide, path in found.items() if slide in wanted}
        finished: list[str] = []

        def count(slide: str, _: str) -> None:
            finished.append(slide)
            if progress is not None:
                progress(len(finished), len(slides))

        return extract_slides(
            slides,
            self.extracted,
            feature_spec(self.spec, self.folder),
            mpp=slide_mpp(self.spec, self.folder),
            workers=workers,
            device=device_of(self.spec.training.device),
            on_progress=count,
        )

    def run(
        self,
        folder: Path | str | None = None,
        *,
        jobs: int = 1,
        progress: Callable[["Standing"], None] | None = None,
    ) -> "Run":
        """Cross-validate every method, evaluate, report; continues where it was stopped.

        Args:
            folder: The run folder; `run` beside the study file by default.
            jobs: Processes at once; the numbers do not depend on it.
            progress: Called with the share of the work that is done, and the seconds that are left.
        """
        from prognoscope.study.run import run_study

        return run_study(self, Path(folder or self.folder / "run"), jobs=jobs, progress=progress)


def device_of(name: str) -> str:
    """The torch device of a name: "auto" is the GPU where there is one.

    Raises:
        StudyError: There is no such device.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as cause:
        raise StudyError(f"training.device: there is no device {name!r}; take auto, cpu or cuda.") from cause
    if device.type == "cuda" and not torch.cuda.is_available():
        raise StudyError(
            "training.device is cuda, but torch sees no GPU here. Take auto or cpu; `prognoscope doctor` says more."
        )
    return name
