"""Where the slides and embeddings of a run lie now, and whether they are those that the run was made of."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from prognoscope.cohort.slides import assign_slides
from prognoscope.cohort.subtypes import read_subtypes
from prognoscope.core.errors import InputError, PrognoscopeError
from prognoscope.core.slide_names import Parts, name_parts
from prognoscope.features.source import is_replaced
from prognoscope.runs.read import Run
from prognoscope.slides.readers import find_slides
from prognoscope.study.inputs import bags_of, embedding_files, slide_mpp
from prognoscope.study.kept_study import study_of
from prognoscope.study.sections import CohortSpec
from prognoscope.study.study_file import StudyFile

ELSEWHERE = "If the slides lie elsewhere now, start `prognoscope view` with --slides FOLDER."


@dataclass(frozen=True, slots=True)
class Originals:
    """What a run was made of, as far as it is found."""

    slides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # patient -> slides
    paths: Mapping[str, Path] = field(default_factory=dict)  # slide -> its file
    mpp: Mapping[str, float] = field(default_factory=dict)  # slide -> um per pixel, where the study gives it
    embeddings: Mapping[str, Path] = field(default_factory=dict)  # slide -> file of its embeddings
    layout: str = "auto"  # of these
    embeddings_mpp: float | None = None  # um per pixel that the study gives for them
    subtypes: Mapping[str, str] = field(default_factory=dict)  # patient -> subtype
    troubles: tuple[str, ...] = ()  # sentences on what was not found

    def trouble(self, slide: str, size_px: Sequence[int] | None = None) -> str:
        """Why the picture of a slide is not shown or not to be trusted, as a sentence; "" if it is.

        Args:
            size_px: Of level 0, as explanations tell it; compared by whoever has opened the slide.
        """
        path = self.paths.get(slide)
        if path is None:
            return " ".join(self.troubles) or f"There is no file of the slide {slide}. {ELSEWHERE}"
        if not path.exists():
            return f"The slide {path} is not there any more: put it back. {ELSEWHERE}"
        try:
            if is_replaced(path, self.embeddings.get(slide)):
                return (
                    f"The slide {path} was changed or replaced after its embeddings were made: the maps are of another "
                    "picture. Put the old file back, or start `prognoscope run` again."
                )
        except OSError as cause:
            return f"The slide {path} cannot be read ({(cause.strerror or 'unknown').lower()})."
        return ""


def find_originals(run: Run, folder: Path | None = None) -> Originals:
    """Look for the slides, embeddings and subtypes of a run; what is not found is told and stops nothing.

    Args:
        folder: Where the slides lie now, if not where the run's study says.
    """
    try:
        study = study_of(run)
    except (InputError, OSError) as cause:
        return Originals(troubles=(f"The study of this run cannot be read, so its slides are not found: {cause}",))
    patients, troubles = run.outcomes.patients, []
    found, where = Originals(), study.where
    if folder is not None and where.slides is not None:
        where = replace(where, slides=replace(where.slides, folder=str(folder)))
    try:
        files, layout = _embeddings(study, where, run.folder), "auto"
        if where.features is not None:
            layout = where.features.layout
            found = replace(found, embeddings_mpp=where.features.mpp)
        found = replace(found, embeddings=files, layout=layout)
    except (PrognoscopeError, OSError) as cause:
        troubles.append(str(cause))
    try:
        found = replace(found, **_slides(where, patients, folder, found.embeddings))
    except (PrognoscopeError, OSError) as cause:
        troubles.append(f"{cause} {ELSEWHERE}")
        found = replace(found, slides=_by_name(found.embeddings, where, patients))
    if where.slides is None and folder is None:
        troubles.append(
            "This run was made from embeddings, so its maps are drawn without a picture. If the slides are at hand, "
            "start `prognoscope view` with --slides FOLDER."
        )
    if (labels := where.subtype) is not None:
        try:
            table = read_subtypes(labels.table, column=labels.column, patient=labels.patient)
            found = replace(found, subtypes=table.of(patients)[0].labels)
        except (PrognoscopeError, OSError) as cause:
            troubles.append(str(cause))
    return replace(found, troubles=tuple(troubles))


def _slides(
    where: CohortSpec, patients: Sequence[str], folder: Path | None, embeddings: Mapping[str, Path]
) -> dict[str, Mapping]:
    assigned = bags_of(where, patients)
    slides = {} if assigned is None else assigned if isinstance(assigned, Mapping) else assigned.slides
    place = folder if where.slides is None else where.slides.folder
    if place is None:
        return {"slides": slides}
    paths = find_slides(os.path.abspath(place))  # without the .. by which a run's study names it
    if where.slides is None:  # slides of a study that names only embeddings: by their names
        known = {slide for each in slides.values() for slide in each}
        short = {name_parts(slide)[-1]: slide for slide in known}
        paths = {short.get(name_parts(slide)[-1], slide): path for slide, path in paths.items()}
        return {"slides": slides, "paths": paths}
    own = replace(where.slides, folder=os.path.abspath(place))
    given = slide_mpp(own, paths)
    mpp = given if isinstance(given, dict) else {} if given is None else dict.fromkeys(paths, given)
    return {"slides": slides, "paths": paths, "mpp": mpp}


def _by_name(embeddings: Mapping[str, Path], where: CohortSpec, patients: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The slides of patients, by their embeddings, where the slides themselves are away."""
    places: dict[str, Parts] = {slide: name_parts(slide) for slide in embeddings}
    try:
        return assign_slides(places, patients).slides
    except InputError:
        return {}


def _embeddings(study: StudyFile, where: CohortSpec, run: Path) -> Mapping[str, Path]:
    """Slide -> file; of a run that was moved, looked for around it too."""
    own = study.extracted
    if own is None:
        return embedding_files(where, None)
    tables = [*where.clinical.table, where.slides.folder if where.slides else ""]
    around = dict.fromkeys([run, run.parent, *(Path(each).parent for each in tables if each)])
    places = [own, *(Path(os.path.abspath(each)) / "embeddings" / own.name for each in around)]
    return embedding_files(where, next((each for each in places if each.is_dir()), own))
