"""A run -> what its predictions rest on, kept in the run folder; started again, it goes on."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.analysis.faithfulness_table import judgement
from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import open_bags
from prognoscope.core.claims import claimed, tidy
from prognoscope.core.errors import StudyError, nearest, some
from prognoscope.core.files import need_writable, sha256
from prognoscope.core.parallel import run_many
from prognoscope.explanation.explain import Truth, explain
from prognoscope.explanation.explanation import Explanation, PatchScores, mean_of
from prognoscope.explanation.patch_maps import OWN
from prognoscope.features.store import Embeddings, PackedEmbeddings
from prognoscope.report.heatmap.files import write_pictures
from prognoscope.report.heatmap.panel import write_panel
from prognoscope.report.heatmap.patch_map import PatchMap
from prognoscope.runs.explanations import About, KeptExplanation, ToldMap, ToldSlide, is_kept, keep
from prognoscope.runs.fingerprint import Fingerprint, sum_of
from prognoscope.runs.layout import ExplanationFiles, RunFiles
from prognoscope.runs.read import Run, open_finished
from prognoscope.slides.readers import find_slides, open_slide
from prognoscope.study.devices import device_of
from prognoscope.study.inputs import Bags, bag_loaders, embedding_files, embedding_sums, packed, read_cohort, slide_mpp
from prognoscope.study.kept_study import study_of
from prognoscope.study.places import stored
from prognoscope.study.study_file import StudyFile
from prognoscope.study.true_patches import truth_of
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trained import Trained

FORM = 1  # of what is kept; another number makes all of it stale
MOST = 6  # patients of each method, half of highest and half of lowest risk, where nobody says whom
RISK_TOLERANCE = 1e-3  # by which a risk may differ from the run's on another machine


@dataclass(frozen=True, slots=True)
class Wanted:
    """One explanation to make, as it travels to a worker."""

    run: Path
    method: str
    patient: str
    folds: tuple[int, ...]  # whose models did not learn from the patient
    maps: tuple[str, ...]  # to draw; all if empty


def explain_run(
    run: Run | Path | str,
    *,
    patients: Sequence[str] = (),
    methods: Sequence[str] = (),
    maps: Sequence[str] = (),
    most: int | None = MOST,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[KeptExplanation]:
    """Explain predictions of a run, and keep tables, pictures and GeoJSON of it in its folder `explanations`.

    Each patient is explained by the models that did not learn from them. What is there and whole is not made again.

    Args:
        patients: Whom to explain; else `most` patients of each method, half of them those of highest risk and half
            those of lowest.
        methods: Their titles; all by default.
        maps: Names of the maps to draw; all by default. Tables have every map.
        most: None: everybody.
        jobs: Processes at once.
        progress: Called with the number of finished and of all explanations.

    Raises:
        StudyError: The run has no such method, patient or map, or what it was made of is gone or was changed.
        MissingFileError: The run is not finished.
    """
    run = open_finished(run.folder if isinstance(run, Run) else run)
    wanted = _wanted(run, patients, methods, tuple(maps), most)
    need_writable(run.files.explanations, "The explanations", "Change its permissions, or copy the run.")
    with claimed(run.files.explanations / ".claim", "`prognoscope explain`"):
        tidy(run.files.explanations)
        _world(run.folder)  # so that what is wrong with the inputs is said once, before any work
        for done, _ in enumerate(run_many(explain_one, wanted, workers=jobs), start=1):
            if progress is not None:
                progress(done, len(wanted))
    return [KeptExplanation(run.files.explanation(each.method, each.patient)) for each in wanted]


def _wanted(
    run: Run, patients: Sequence[str], methods: Sequence[str], maps: tuple[str, ...], most: int | None
) -> list[Wanted]:
    if unknown := [method for method in methods if method not in run.methods]:
        raise StudyError(f"The run {run.folder} has no method {unknown[0]!r}; {nearest(unknown[0], run.methods)}")
    everybody = {patient for method in run.methods for patient in run.method(method).predictions["patient_id"]}
    if unknown := [patient for patient in patients if patient not in everybody]:
        raise StudyError(
            f"The run {run.folder} predicted no patient {unknown[0]!r}; it predicted {len(everybody)}: "
            f"{some(sorted(everybody))}."
        )
    wanted = []
    for method in methods or run.methods:
        table = run.method(method).predictions.sort_values("risk", ascending=False, kind="stable")
        folds = {str(patient): tuple(rows["fold"]) for patient, rows in table.groupby("patient_id", sort=False)}
        chosen = [patient for patient in patients if patient in folds] or list(folds)
        if not patients and most is not None and len(chosen) > most:
            chosen = [*chosen[: (most + 1) // 2], *chosen[len(chosen) - most // 2 :]]
        wanted += [Wanted(run.folder, method, patient, folds[patient], maps) for patient in chosen]
    if not wanted:
        raise StudyError(f"None of the methods asked for predicted {some(patients)}. Name another method or patient.")
    return wanted


@dataclass(frozen=True)
class _World:
    """All that the explanations of a run share in one process."""

    run: Run
    study: StudyFile
    cohort: Cohort
    embeddings: PackedEmbeddings | None
    loaders: Bags  # patient -> slides with functions that read their embeddings
    files: dict[str, Path]  # slide -> image file, of a study that has slides
    mpp: dict[str, float] | float | None

    def loaded(self, patient: str) -> list[Embeddings]:
        """The embeddings of each slide in the patient's bag."""
        if self.embeddings is None:
            return []
        of_slide = dict(self.loaders[patient])
        return [of_slide[slide]() for slide, first, last in self.embeddings.slides(patient) if last > first]


@lru_cache(maxsize=1)
def _world(folder: Path) -> _World:
    run = open_finished(folder)
    study = stored(study_of(run), run.files.embeddings)
    patients = run.outcomes.patients
    cohort = read_cohort(study.spec.name, study.where)
    here = set(cohort.patients)
    if gone := [patient for patient in patients if patient not in here]:
        raise StudyError(
            f"{len(gone)} patients of the run are no more in its inputs: {some(gone)}. Put the tables back as they "
            "were, or run the study again."
        )
    cohort, embeddings, loaders = cohort.take(patients), None, {}
    if any(card.sizes.get("embedding_dim") for title in run.methods for card in run.method(title).cards.values()):
        files = embedding_files(study.where, study.extracted)
        kept = {p: tuple(s for s in slides if s in files) for p, slides in cohort.slides.items()}
        if not any(kept.values()) and study.where.slides is not None:
            raise StudyError(
                f"The embeddings that the run was made of are not in {study.extracted}. Put them back, or start "
                "`prognoscope extract` of its study."
            )
        cohort = replace(cohort, slides=kept) if study.where.slides is not None else cohort
        embeddings = open_bags(packed(study, cohort, embedding_sums(study, cohort)))
        loaders = bag_loaders(study.where, cohort, files)
    slides, images, mpp = study.where.slides, {}, None
    if slides is not None and Path(slides.folder).is_dir():
        images = dict(find_slides(slides.folder))
        mpp = slide_mpp(slides, images)
    return _World(run, study, cohort, embeddings, loaders, images, mpp)


@lru_cache(maxsize=2)
def _models(folder: Path, method: str) -> tuple[Trained, ...]:
    """The models of all folds of a method, on the device of its study, in float32."""
    run = open_finished(folder)
    device = device_of(StudyFile.load(run.files.study).spec.training.device)
    spec = TrainingSpec(device=device)
    return tuple(Trained.load(files, spec) for files in run.files.folds(method) if files.is_tested)


def explain_one(wanted: Wanted) -> None:
    """Make one explanation, unless it is there and whole."""
    run = RunFiles(wanted.run)
    files = run.explanation(wanted.method, wanted.patient)
    folds = [run.fold(wanted.method, number).manifest for number in wanted.folds]
    models = {path.parent.name: sha256(path) if path.is_file() else "" for path in folds}
    made_of = Fingerprint({"explanation": sum_of([FORM, wanted.patient, models, sorted(wanted.maps)])})
    if is_kept(files, made_of):
        return
    shutil.rmtree(files.folder, ignore_errors=True)
    world = _world(wanted.run)
    loaded = world.loaded(wanted.patient)
    truth = truth_of(world.study, loaded)
    explanation = mean_of(tuple(_by_fold(world, wanted, number, truth) for number in wanted.folds))
    _need_maps(explanation, wanted)
    slides, notes, pictures = [], list(explanation.notes), []
    at = 0
    for one in loaded if explanation.maps else ():
        maps = [replace(each, values=each.values[at : at + len(one)]) for each in explanation.maps]
        at += len(one)
        drawn = [(m, judgement(explanation.faithfulness, m.name)) for m in maps if m.name in (wanted.maps or [m.name])]
        told, written, said = _draw(world, wanted.method, files, one, drawn)
        slides.append(told)
        pictures += written
        notes += said
    about = About(
        explanation.patient,
        explanation.method,
        explanation.folds,
        explanation.log_risk,
        tuple(ToldMap(m.name, m.meaning, m.unit, m.source, m.is_signed) for m in explanation.maps),
        tuple(slides),
        tuple(ToldMap(name, *told) for name, told in explanation.meanings.items()),
        tuple(dict.fromkeys(notes)),
    )
    tables = {
        "patches": _patch_table(explanation, loaded),
        "gene_groups": explanation.gene_groups,
        "genes": explanation.genes,
        "modalities": explanation.modalities,
        "faithfulness": explanation.faithfulness,
    }
    keep(files, about, tables, pictures, made_of)


def _by_fold(world: _World, wanted: Wanted, number: int, truth: Truth | None) -> Explanation:
    models = _models(wanted.run, wanted.method)
    trained = next(each for each in models if each.card.fold == number)
    patient, run = wanted.patient, world.run
    now = float(trained.predict(world.cohort, world.embeddings, [patient]).prediction.risk[0])
    table = run.method(wanted.method).tested[number]
    then = float(table.loc[table["patient_id"] == patient, "risk"].iloc[0])
    if abs(now - then) > RISK_TOLERANCE * max(1.0, abs(then)):
        raise StudyError(
            f"The model of {wanted.method}, fold {number}, now gives {patient} the risk {now:.4g}, and gave {then:.4g} "
            "in the run: the slides, embeddings or tables were changed since. Put them back, or run the study again."
        )
    needs = trained.model.profile.needs
    able = set.intersection(*(world.cohort.having(what) for what in needs)) if needs else set()
    return explain(
        trained,
        patient,
        cohort=world.cohort,
        embeddings=world.embeddings,
        others=[other for other in run.part(number, "train") if other in able],
        siblings=[each for each in models if each.card.fold != number],
        truth=truth,
    )


def _need_maps(explanation: Explanation, wanted: Wanted) -> None:
    names = [each.name for each in explanation.maps]
    if names and (unknown := [name for name in wanted.maps if name not in names]):
        raise StudyError(f"{wanted.method} has no map {unknown[0]!r}; it has {some(names, 30)}. Name one of these.")


def _geometry(one: Embeddings) -> tuple[np.ndarray | None, float | None, float | None]:
    """Corners and side in level-0 pixels, and um per pixel; in um, at 1 um per pixel, where only they are known."""
    if one.coords_px is not None and one.patch_px_level0 is not None:
        return one.coords_px, float(one.patch_px_level0), one.mpp
    if one.coords_um is not None and one.patch_um is not None:
        return np.rint(one.coords_um).astype(np.int64), float(one.patch_um), 1.0
    return None, None, one.mpp


def _draw(
    world: _World, method: str, files: ExplanationFiles, one: Embeddings, scores: Sequence[tuple[PatchScores, str]]
) -> tuple[ToldSlide, list[Path], list[str]]:
    """Write the pictures of one slide; what is told of it, their paths, and why there are fewer of them.

    Args:
        scores: Each map, and what is to be thought of it.
    """
    coords, side, mpp = _geometry(one)
    if coords is None or side is None:
        return ToldSlide(one.slide, len(one)), [], [f"The patches of {one.slide} have no places, so no map is drawn."]
    maps = [
        PatchMap(s.name, s.values, coords, side, s.meaning, s.unit, s.is_signed, judged=judged) for s, judged in scores
    ]
    image, said = world.files.get(one.slide), []
    if image is None and world.study.where.slides is not None:
        said.append(f"The file of slide {one.slide} is gone, so its maps are drawn without it.")
    given = world.mpp.get(one.slide) if isinstance(world.mpp, dict) else world.mpp
    with nullcontext() if image is None else open_slide(image, mpp=given) as slide:
        size = None if slide is None else slide.size_px
        told = ToldSlide(one.slide, len(one), side, mpp, size)
        drawn = partial(
            write_pictures, files.folder, files.stem(one.slide), slide, title=one.slide, mpp=mpp, size_px=size
        )
        paths = [path for each in maps for path in drawn(each)]
        own = [each for each, (scored, _) in zip(maps, scores, strict=True) if scored.source == OWN]
        if len(own) > 1:
            paths.append(files.panel(one.slide))
            write_panel(paths[-1], slide, own, title=f"{one.slide}, {method}", size_px=size)
        return told, paths, said


def _patch_table(explanation: Explanation, loaded: Sequence[Embeddings]) -> pd.DataFrame:
    if not explanation.maps:
        return pd.DataFrame()
    parts = []
    for one in loaded:
        coords = _geometry(one)[0]
        places = np.full((len(one), 2), np.nan) if coords is None else coords.astype(float)
        parts.append(pd.DataFrame({"slide_id": one.slide, "x": places[:, 0], "y": places[:, 1]}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(**{each.name: each.values for each in explanation.maps})
