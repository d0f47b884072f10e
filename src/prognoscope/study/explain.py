"""A run -> what its predictions rest on, kept in the run folder; started again, it goes on."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.analysis.by_modality import lacking_by_patient
from prognoscope.analysis.faithfulness_table import judgement
from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import open_bags
from prognoscope.core.claims import claimed, tidy
from prognoscope.core.errors import StudyError, nearest, some
from prognoscope.core.files import need_writable, sha256
from prognoscope.core.parallel import Cluster, run_many
from prognoscope.explanation.explain import Truth, explain
from prognoscope.explanation.explanation import COMPUTED_GROUP_SCORES, Explanation, PatchScores, mean_of
from prognoscope.explanation.patch_maps import OWN
from prognoscope.features.source import is_replaced
from prognoscope.features.store import Embeddings, PackedEmbeddings
from prognoscope.report.heatmap.bars import GroupBars
from prognoscope.report.heatmap.files import AMOUNTS, write_pictures
from prognoscope.report.heatmap.panel import write_panel
from prognoscope.report.heatmap.patch_map import PatchMap
from prognoscope.runs.explanations import About, KeptExplanation, ToldMap, ToldSlide, is_kept, keep
from prognoscope.runs.fingerprint import Fingerprint, sum_of
from prognoscope.runs.layout import ExplanationFiles, RunFiles
from prognoscope.runs.read import Run, open_finished
from prognoscope.slides.readers import find_slides, open_slide
from prognoscope.slides.readers.base import stated_bounds
from prognoscope.study.devices import device_of
from prognoscope.study.inputs import Bags, bag_loaders, embedding_files, embedding_sums, packed, slide_mpp
from prognoscope.study.kept_study import cohort_of, study_of
from prognoscope.study.places import stored
from prognoscope.study.study_file import StudyFile
from prognoscope.study.true_patches import truth_of
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trained import Trained

FORM = 3  # of what is kept; another number makes all of it stale
MOST = 6  # patients of each method, half of highest and half of lowest risk, where nobody says whom
MOST_WITH_ALL_PICTURES = 8  # patients of each method; of more, PNGs alone, as all of a map take some 3 MB
LESS = {
    "png": "Of each map the PNG alone was kept; `--pictures all` adds SVG, OME-TIFF, GeoJSON and its best patches.",
    "none": "No pictures of maps were kept; `--pictures png` or `--pictures all` draws them.",
}
RISK_TOLERANCE = 1e-3  # by which a risk may differ from the run's on another machine


@dataclass(frozen=True, slots=True)
class Wanted:
    """One explanation to make, as it travels to a worker."""

    run: Path
    method: str
    patient: str
    folds: tuple[int, ...]  # whose models did not learn from the patient
    maps: tuple[str, ...]  # to draw; all if empty
    pictures: str  # one of AMOUNTS


def explain_run(
    run: Run | Path | str,
    *,
    patients: Sequence[str] = (),
    methods: Sequence[str] = (),
    maps: Sequence[str] = (),
    most: int | None = MOST,
    pictures: str | None = None,
    jobs: int = 1,
    cluster: str = "",
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
        pictures: "all" of each map (PNG, SVG, OME-TIFF, GeoJSON, the best patches), its "png" alone, or "none"; by
            default all of up to eight patients of a method, and PNGs of more. What is there already stays.
        jobs: Processes at once.
        cluster: The address of a Ray cluster, whose machines take their place.
        progress: Called with the number of finished and of all explanations.

    Raises:
        StudyError: The run has no such method, patient or map, or what it was made of is gone or was changed.
        MissingFileError: The run is not finished.
    """
    if pictures is not None and pictures not in AMOUNTS:
        raise StudyError(f"There is no amount of pictures {pictures!r}; {nearest(pictures, AMOUNTS)}")
    run = open_finished(run.folder if isinstance(run, Run) else run)
    wanted = _wanted(run, patients, methods, tuple(maps), most, pictures)
    need_writable(run.files.explanations, "The explanations", "Change its permissions, or copy the run.")
    there = Cluster(cluster, run.folder.absolute()) if cluster else None
    with claimed(run.files.explanations / ".claim", "`prognoscope explain`"):
        tidy(run.files.explanations)
        _world(run.folder.absolute())  # so that what is wrong with the inputs is said once, before any work
        for done, _ in enumerate(run_many(explain_one, wanted, workers=jobs, cluster=there), start=1):
            if progress is not None:
                progress(done, len(wanted))
    return [KeptExplanation(run.files.explanation(each.method, each.patient)) for each in wanted]


def _wanted(
    run: Run,
    patients: Sequence[str],
    methods: Sequence[str],
    maps: tuple[str, ...],
    most: int | None,
    pictures: str | None,
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
        amount = pictures or ("all" if len(chosen) <= MOST_WITH_ALL_PICTURES else "png")
        wanted += [Wanted(run.folder.absolute(), method, patient, folds[patient], maps, amount) for patient in chosen]
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
    sources: dict[str, Path]  # slide -> file of its embeddings
    mpp: dict[str, float] | float | None

    def loaded(self, patient: str) -> list[Embeddings]:
        """The embeddings of each slide in the patient's bag."""
        if self.embeddings is None or patient not in self.loaders:
            return []
        of_slide = dict(self.loaders[patient])
        return [of_slide[slide]() for slide, first, last in self.embeddings.slides(patient) if last > first]

    def image(self, slide: str) -> tuple[Path | None, str]:
        """The image file of a slide, or why there is none to draw on; neither where the study has no slides."""
        path = self.files.get(slide)
        if path is None:
            has_slides = self.study.where.slides is not None
            return None, f"The file of slide {slide} is gone, so its maps are drawn without it." * has_slides
        if is_replaced(path, self.sources.get(slide)):
            return None, (
                f"The slide {path} was changed or replaced after its embeddings were made, so its maps are drawn "
                "without it. Put the old file back and start again, or start `prognoscope run` again."
            )
        return path, ""


@lru_cache(maxsize=1)
def _world(folder: Path) -> _World:
    run = open_finished(folder)
    study = stored(study_of(run), run.files.embeddings)
    patients = run.outcomes.patients
    cohort = cohort_of(run, study)
    here = set(cohort.patients)
    if gone := [patient for patient in patients if patient not in here]:
        raise StudyError(
            f"{len(gone)} patients of the run are no more in its inputs: {some(gone)}. Put the tables back as they "
            "were, or run the study again."
        )
    cohort, embeddings, loaders, files = cohort.take(patients), None, {}, {}
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
    return _World(run, study, cohort, embeddings, loaders, images, files, mpp)


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
    world = _world(wanted.run)
    images = [world.image(slide)[1] for slide, _ in world.loaders.get(wanted.patient, ())]
    told = [FORM, wanted.patient, models, sorted(wanted.maps), images]
    amounts = list(AMOUNTS)
    enough = amounts[amounts.index(wanted.pictures) :]  # what was kept with more pictures will do
    made_of = {amount: Fingerprint({"explanation": sum_of([*told, amount])}) for amount in enough}
    if any(is_kept(files, each) for each in made_of.values()):
        return
    shutil.rmtree(files.folder, ignore_errors=True)
    loaded = world.loaded(wanted.patient)
    truth = truth_of(world.study, loaded)
    explanation = mean_of(tuple(_by_fold(world, wanted, number, truth) for number in wanted.folds))
    _need_maps(explanation, wanted)
    slides, notes, pictures = [], list(explanation.notes), []
    if wanted.maps and not explanation.maps:
        notes.append(f"{wanted.method} reads no slides, so there is no map of it to draw.")
    notes += [LESS[wanted.pictures]] if wanted.pictures in LESS and explanation.maps else []
    at = 0
    for one in loaded if explanation.maps else ():
        maps = [replace(each, values=each.values[at : at + len(one)]) for each in explanation.maps]
        at += len(one)
        drawn = [(m, judgement(explanation.faithfulness, m.name)) for m in maps if m.name in (wanted.maps or [m.name])]
        told, written, said = _draw(world, files, one, drawn, explanation, wanted.pictures)
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
    keep(files, about, tables, pictures, made_of[wanted.pictures])


def _by_fold(world: _World, wanted: Wanted, number: int, truth: Truth | None) -> Explanation:
    models = _models(wanted.run, wanted.method)
    trained = next(each for each in models if each.card.fold == number)
    patient, run, needs = wanted.patient, world.run, trained.model.profile.needs
    had_slides = "slides" not in lacking_by_patient(run.lacking).get(patient, "")
    if "bag" in needs and had_slides and patient not in world.loaders:
        raise StudyError(
            f"No slide of {patient} is where the study of the run {run.folder} looks for them any more, and "
            f"{wanted.method} needs them. Put the files back under their old names."
        )
    now = float(trained.predict(world.cohort, world.embeddings, [patient]).prediction.risk[0])
    table = run.method(wanted.method).tested[number]
    then = float(table.loc[table["patient_id"] == patient, "risk"].iloc[0])
    if abs(now - then) > RISK_TOLERANCE * max(1.0, abs(then)):
        raise StudyError(
            f"The model of {wanted.method}, fold {number}, now gives {patient} the risk {now:.4g}, and gave {then:.4g} "
            "in the run: the slides, embeddings or tables were changed since. Put them back, or run the study again."
        )
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


def _bars(explanation: Explanation) -> list[GroupBars]:
    """What the method itself says of gene groups."""
    table = explanation.gene_groups
    own = {name: told for name, told in explanation.meanings.items() if name not in COMPUTED_GROUP_SCORES}
    return [GroupBars(name, list(table["group"]), table[name].to_numpy(), *told) for name, told in own.items()]


def _draw(
    world: _World,
    files: ExplanationFiles,
    one: Embeddings,
    scores: Sequence[tuple[PatchScores, str]],
    explanation: Explanation,
    amount: str,
) -> tuple[ToldSlide, list[Path], list[str]]:
    """Write the pictures of one slide; what is told of it, their paths, and why there are fewer of them.

    Args:
        scores: Each map, and what is to be thought of it.
        amount: One of `AMOUNTS`.
    """
    coords, side, mpp = _geometry(one)
    if coords is None or side is None:
        return ToldSlide(one.slide, len(one)), [], [f"The patches of {one.slide} have no places, so no map is drawn."]
    maps = [
        PatchMap(s.name, s.values, coords, side, s.meaning, s.unit, s.is_signed, judged=judged) for s, judged in scores
    ]
    image, why_not = world.image(one.slide)
    said = [why_not] if why_not else []
    kinds, is_in_um = AMOUNTS[amount], coords is not one.coords_px
    if is_in_um and "geojson" in kinds:
        kinds = tuple(kind for kind in kinds if kind != "geojson")
        said.append(
            f"The patches of {one.slide} are known in um alone, so there is no GeoJSON of them, which counts pixels. "
            "Give um per pixel in the study (`features: {mpp: 0.25}`) and start `prognoscope run` again."
        )
    given = world.mpp.get(one.slide) if isinstance(world.mpp, dict) else world.mpp
    with nullcontext() if image is None else open_slide(image, mpp=given) as slide:
        size = None if slide is None else slide.size_px
        origin = None if slide is None else (stated_bounds(slide) or (0, 0))[:2]
        told = ToldSlide(one.slide, len(one), side, mpp, size, origin, is_in_um=is_in_um)
        drawn = partial(
            write_pictures,
            files.folder,
            files.stem(one.slide),
            slide,
            title=one.slide,
            mpp=mpp,
            size_px=size,
            kinds=kinds,
        )
        paths = [path for each in maps for path in drawn(each)]
        own = [each for each, (scored, _) in zip(maps, scores, strict=True) if scored.source == OWN]
        if len(own) > 1 and kinds:
            paths.append(files.panel(one.slide))
            title = f"{one.slide}, {explanation.method}"
            write_panel(paths[-1], slide, own, title=title, size_px=size, bars=_bars(explanation))
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
