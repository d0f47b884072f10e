"""Extract, cross-validate, evaluate, report: the run folder, and going on after a stop."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import yaml

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.splits import Split, account_of_splits, make_splits
from prognoscope.core.errors import CohortError, MetricError, StudyError, some
from prognoscope.core.files import remove_leftovers, sha256, write_json, write_table, write_text
from prognoscope.evaluation.concordance import concordance
from prognoscope.evaluation.reconstruction import spearman
from prognoscope.features.store import PackedEmbeddings
from prognoscope.models.base import Sizes
from prognoscope.models.registry import model_class
from prognoscope.omics.groups import assign_columns, groups_without_genes
from prognoscope.report.ablations import ablation_rows
from prognoscope.report.page import write_report
from prognoscope.report.run_folder import read_run_folder
from prognoscope.report.tables import method_rows
from prognoscope.report.verdict import warnings_of
from prognoscope.study.ablations import ablation_table, pairs_of
from prognoscope.study.inputs import bag_loaders, embedding_files, packed, split_spec, without_empty_bags
from prognoscope.study.methods import needs_of
from prognoscope.study.optimism import optimism_table
from prognoscope.study.results import COMPARED, gene_notes, metrics_table, pairs_table, read_folds, read_truth
from prognoscope.study.study import Study, device_of
from prognoscope.study.yaml_file import read_yaml
from prognoscope.training.crossval import FoldJob, Method, cross_validate
from prognoscope.training.spec import TrainingSpec

PUBLISHED_CHOICE = {
    "last": "last",
    "best_on_test": "test_c_index",
    "last_best_on_test": "latest_test_c_index",
    "best_on_validation": "validation_c_index",
}
SAME_RUN = ("cohort", "features", "splits", "protocol", "training")  # sections that a run folder is bound to


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    report: Path
    notes: tuple[str, ...]

    def table(self) -> tuple[str, pd.DataFrame]:
        """Title and rows of the comparison, as text."""
        run = read_run_folder(self.folder)
        header, *rows = method_rows(run)
        return f"{run.name}, protocol {run.protocol}, {len(run.folds)} folds", pd.DataFrame(rows, columns=header)

    def ablations(self) -> dict[str, pd.DataFrame]:
        """The ablation table of each method that was run with ablations, as text."""
        tables = ablation_rows(read_run_folder(self.folder))
        return {whole: pd.DataFrame(rows, columns=header) for whole, (header, *rows) in tables.items()}

    def warnings(self) -> list[str]:
        """Why some numbers flatter their methods, in sentences."""
        return [f"Optimistic: {names}. {reason}" for names, reason in warnings_of(read_run_folder(self.folder))]


@dataclass(frozen=True)
class Inputs:
    """What all jobs of a run share: patients who have everything that any method needs, their folds and bags."""

    cohort: Cohort
    splits: tuple[Split, ...]
    pack: Path | None
    notes: tuple[str, ...]


def run_study(study: Study, folder: Path, *, jobs: int = 1, progress: Callable[[int, int], None] | None = None) -> Run:
    """Run a study into a folder; what is finished there is not done again.

    Raises:
        PrognoscopeError: An input cannot be used, or a training cannot go on.
    """
    folder = folder.absolute()
    refuse_early(study, folder)
    inputs = gather(study, workers=jobs)
    begin(study, folder, inputs)
    methods = [method.title for method in study.spec.methods]
    _train(fold_jobs(study, folder, inputs), jobs, progress)
    draws, seed = study.spec.evaluation.draws, study.spec.training.seed
    truth = None
    if study.spec.cohort.truth is not None:
        truth = read_truth(study.folder / study.spec.cohort.truth, inputs.cohort.patients)
    metrics, notes = metrics_table(folder, methods, draws=draws, seed=seed, truth=truth)
    write_table(folder / "metrics.csv", metrics)
    notes = (*notes, *gene_notes(folder, methods))
    folds = {method: read_folds(folder, method) for method in methods}
    pairs = pairs_table(folds, pairs_of(study.spec.methods), metrics=COMPARED, draws=draws, seed=seed)
    write_table(folder / "comparison.csv", pairs)
    write_table(folder / "ablations.csv", ablation_table(study.spec.methods, metrics, pairs))
    write_table(folder / "optimism.csv", optimism_table(folder, methods, seed=seed))
    write_json(folder / "provenance.json", provenance(study, inputs, notes))
    lasting = [note for note in notes if "bootstrap draws" not in note]  # those few are in the report's provenance
    return Run(folder, write_report(folder), (*inputs.notes, *lasting))


def refuse_early(study: Study, folder: Path) -> frozenset[str]:
    """Try whatever can be tried before any work, so that a wrong setting costs no hours.

    Returns:
        What the methods need of a patient: "bag", "omics", "clinical".

    Raises:
        PrognoscopeError: The folder, a method's options, the device, the truth or the folds cannot be used.
    """
    check_folder(study, folder)
    cohort = study.cohort
    needs = needs_of(study.spec, cohort, sizes_to_come(cohort))
    device_of(study.spec.training.device)
    if study.spec.cohort.truth is not None:
        read_truth(study.folder / study.spec.cohort.truth, cohort.patients)
    make_splits(cohort.needing(needs), split_spec(study.spec, study.folder))
    return needs


def check_folder(study: Study, folder: Path) -> None:
    """Refuse a folder that holds another study's run; methods may be added to one.

    Raises:
        StudyError: It does; names the section that differs.
    """
    path = folder / "study.yaml"
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder} is a file. Choose a folder with --out.")
    if not path.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise StudyError(f"{folder} is neither empty nor a run. Choose another folder with --out.")
        return
    before, now = read_yaml(path), resolved(study)
    if not isinstance(before, dict):
        raise StudyError(f"{path} is not the study file of a run. Remove the folder, or choose another with --out.")
    if differing := [section for section in SAME_RUN if before.get(section) != now[section]]:
        raise StudyError(
            f"{folder} holds a run with other settings of {some(differing)}. Choose another folder with --out, "
            "or remove it."
        )
    known = {m.get("label") or m["name"]: m for m in before.get("methods", ())}
    for method in now["methods"]:
        title = method.get("label") or method["name"]
        if known.get(title, method) != method:
            raise StudyError(f"{folder} holds a run of {title} with other options. Give this one a label of its own.")


def resolved(study: Study) -> dict[str, object]:
    """The study with every default written out."""
    return study.spec.model_dump(mode="json")


def gather(study: Study, workers: int = 1) -> Inputs:
    """Embeddings made, patients chosen, folds drawn, bags packed.

    Raises:
        PrognoscopeError: A method needs what the cohort lacks, or an input cannot be used.
    """
    spec, cohort = study.spec, study.cohort
    needs = needs_of(spec, cohort, sizes_to_come(cohort))
    device_of(spec.training.device)
    notes: list[str] = []
    if "omics" in needs:
        notes += groups_without_genes(list(cohort.omics.values.columns), cohort.groups)
    pack = None
    if "bag" in needs:
        if spec.cohort.slides is not None:
            failed = study.extract(workers=workers).failed
            notes += [f"Slide {slide} was left out: {reason}" for slide, reason in failed.items()]
            cohort = without_slides(cohort, failed)
        files = embedding_files(spec, study.folder, study.extracted)
        bags = bag_loaders(spec, study.folder, cohort, files)
        about = spec.cohort.features.model_dump() if spec.cohort.features else None
        if spec.cohort.features is not None and spec.cohort.features.folder is None:
            about = {"table": sha256(study.folder / spec.cohort.features.table)}
        pack = packed(bags, files, study.cache, about)
        cohort = without_empty_bags(cohort, PackedEmbeddings.open(pack))
    cohort = cohort.needing(needs)
    splits = make_splits(cohort, split_spec(spec, study.folder))
    return Inputs(cohort, splits, pack, tuple(notes))


def without_slides(cohort: Cohort, failed: dict[str, str]) -> Cohort:
    """The cohort without slides that gave no embeddings, which its account tells."""
    if not failed:
        return cohort
    slides = {p: tuple(s for s in each if s not in failed) for p, each in cohort.slides.items()}
    lost = sum(map(len, cohort.slides.values())) - sum(map(len, slides.values()))
    named = some(f"{slide} ({reason})" for slide, reason in failed.items())
    if not any(slides.values()):
        slide, reason = next(iter(failed.items()))
        raise CohortError(f"None of the {lost} slides gave embeddings; of {slide}: {reason}.")
    account = cohort.account.then(
        f"{lost} slides left out: {named}", cohort.outcome, notes=(f"{lost} slides gave no embeddings: {named}.",)
    )
    return replace(cohort, slides={p: s for p, s in slides.items() if s}, account=account)


def sizes_to_come(cohort: Cohort) -> Sizes:
    """Lengths as the tables announce them, to try every method's options before any work."""
    groups: dict[str, Sequence[str]] = {}
    if cohort.omics is not None:
        groups = assign_columns(list(cohort.omics.values.columns), cohort.groups, source=cohort.omics.source)
    return Sizes(
        n_bins=4,
        embedding_dim=16 if cohort.slides else 0,
        group_sizes=tuple(len(columns) for columns in groups.values()),
        gene_names=tuple(tuple(columns) for columns in groups.values()),
        n_clinical=0 if cohort.covariates is None else len(cohort.covariates.columns),
        n_subtypes=len(set(cohort.subtype.values())),
    )


def begin(study: Study, folder: Path, inputs: Inputs) -> None:
    """Write what is known before training.

    Raises:
        StudyError: The folder holds a run on other patients or folds, as when a method is added that needs more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    parts = [
        {"patient_id": patient, "fold": split.fold, "part": part}
        for split in inputs.splits
        for part in ("train", "validation", "test")
        for patient in getattr(split, part)
    ]
    splits = pd.DataFrame(parts)
    path = folder / "splits.csv"
    if path.is_file() and path.read_text(encoding="utf-8") != splits.to_csv(index=False, lineterminator="\n"):
        raise StudyError(
            f"{folder} holds a run on other patients or folds: its methods needed less than those now listed, or the "
            "cohort has changed. Choose another folder with --out, so that all methods see the same patients."
        )
    write_table(path, splits)
    write_text(folder / "study.yaml", yaml.safe_dump(resolved(study), sort_keys=False, allow_unicode=True))
    account = account_of_splits(inputs.cohort, inputs.splits).to_table()
    account = account[~account["step"].str.startswith("fold ")]  # splits.csv has the folds in full
    write_table(folder / "account.csv", account)
    outcome = inputs.cohort.outcome
    table = {"patient_id": outcome.patients, "time": outcome.time, "event": outcome.event.astype(int)}
    write_table(folder / "outcomes.csv", pd.DataFrame(table))


def fold_jobs(study: Study, folder: Path, inputs: Inputs) -> list[FoldJob]:
    """A job for every method and fold, methods in turn."""
    spec, training = study.spec, study.spec.training
    is_paper = spec.protocol == "paper"
    clip = spec.cohort.omics.clip if spec.cohort.omics else None
    bins = {"n_bins": training.n_bins, "bins_from": "cohort" if is_paper else training.bins_from, "clip": clip}
    jobs = []
    for section in spec.methods:
        choose, stop = training.choose, None
        if is_paper:
            published = model_class(spec.whole_of(section).name).recipe
            choose, stop = PUBLISHED_CHOICE[published.published_epoch], published.published_stop
        training_spec = TrainingSpec(
            seed=training.seed,
            choose=choose,
            patience=training.patience or (stop.patience if stop else None),
            warm_up=stop.warm_up if stop else 0,
            earliest_stop=stop.earliest if stop else 0,
            device=device_of(training.device),
            precision=training.precision,
            threads=training.threads,
            patches_per_pass=training.patches_per_pass,
            save_every_s=training.save_every_s,
        )
        method = Method(section.name, section.title, section.options, {**training.recipe, **section.training.recipe})
        jobs += [
            FoldJob(
                folder=folder / section.title / f"fold_{split.fold}",
                method=method,
                cohort=inputs.cohort,
                split=split,
                spec=training_spec,
                pack=inputs.pack,
                bins=bins,
                metric=c_index,
                gene_metric=spearman,
                notes={"protocol": spec.protocol, "features": spec.features.model_dump(mode="json")},
            )
            for split in inputs.splits
        ]
    return jobs


def c_index(risk, *, time, event) -> float:
    """Harrell's C-index, which trainings are handed to rank epochs by."""
    return concordance(risk, time=time, event=event).value


def optimism(study: Study) -> dict[str, str]:
    """Method -> why its numbers flatter it; empty under the honest protocol with bins from training patients."""
    reasons = {}
    for method in study.spec.methods:
        why = []
        published = model_class(study.spec.whole_of(method).name).recipe.published_epoch
        if study.spec.protocol == "paper" and published in ("best_on_test", "last_best_on_test"):
            why.append("the epoch was chosen on the fold that is reported, as its authors did")
        if study.spec.protocol == "paper" or study.spec.training.bins_from == "cohort":
            why.append("time bins were fitted on all patients, test patients included")
        if why:
            reasons[method.title] = "; ".join(why)
    return reasons


def provenance(study: Study, inputs: Inputs, notes: Sequence[str]) -> dict[str, object]:
    """Where the numbers come from. No times of day, so that equal runs have equal files."""
    packages = ("prognoscope", "torch", "numpy", "pandas", "scipy", "lifelines")
    training = study.spec.training
    return {
        "name": study.spec.name,
        "command": "prognoscope run study.yaml",
        "protocol": study.spec.protocol,
        "methods": [method.title for method in study.spec.methods],
        "optimistic": optimism(study),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "seed": training.seed,
        "precision": TrainingSpec(device=device_of(training.device), precision=training.precision).precision,
        "inputs": {name: sha256(study.folder / name) for name in input_files(study)},
        "notes": [*inputs.cohort.account.notes, *inputs.notes, *notes],
    }


def input_files(study: Study) -> list[str]:
    """The tables that the study names, relative to its file."""
    section = study.spec.cohort
    named = [*section.clinical.table, section.truth]
    named += [] if section.omics is None else [*section.omics.table, section.omics.groups]
    named += [each.table for each in (section.slides, section.features, section.subtype) if each is not None]
    return list(dict.fromkeys(name for name in named if name))


def _train(jobs: list[FoldJob], workers: int, progress: Callable[[int, int], None] | None) -> None:
    total = 100 * len(jobs)
    done = {job.folder: 100 for job in jobs if job.is_done}

    def tell(job: FoldJob, part: int) -> None:
        done[job.folder] = part
        if progress is not None:
            progress(sum(done.values()), total)

    finished = cross_validate(
        jobs, workers=workers, on_epoch=lambda job, epoch, of: tell(job, min(99, 100 * epoch // of))
    )
    try:
        for job in finished:
            tell(job, 100)
    except MetricError as cause:
        raise StudyError(f"A C-index is not defined: {cause}") from cause
