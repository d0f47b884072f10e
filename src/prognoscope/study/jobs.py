"""A study's trainings: one for every method and fold."""

import os
from dataclasses import dataclass
from pathlib import Path

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.splits import Split
from prognoscope.evaluation.concordance import concordance
from prognoscope.evaluation.reconstruction import spearman
from prognoscope.models.registry import model_class
from prognoscope.study.search import search_of
from prognoscope.study.study import Study, device_of
from prognoscope.training.crossval import FoldJob, Method
from prognoscope.training.spec import TrainingSpec, settled_precision

PUBLISHED_CHOICE = {
    "last": "last",
    "best_on_test": "test_c_index",
    "last_best_on_test": "latest_test_c_index",
    "best_on_validation": "validation_c_index",
}


@dataclass(frozen=True)
class Inputs:
    """What all jobs of a run share: patients who have everything that any method needs, their folds and bags."""

    cohort: Cohort
    splits: tuple[Split, ...]
    pack: Path | None
    notes: tuple[str, ...]


def fold_jobs(study: Study, folder: Path, inputs: Inputs) -> list[FoldJob]:
    """A job for every method and fold, methods in turn."""
    spec, training = study.spec, study.spec.training
    is_paper = spec.protocol == "paper"
    bins = {"n_bins": training.n_bins, "bins_from": "cohort" if is_paper else training.bins_from}
    if spec.cohort.omics is not None:
        bins |= {"clip": spec.cohort.omics.clip, "scale": spec.cohort.omics.scale}
    device = device_of(training.device)
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
            device=device,
            precision=settled_precision(training.precision, device),
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
                search=search_of(spec, section),
            )
            for split in inputs.splits
        ]
    return jobs


def workers_for(jobs: int, threads: int) -> tuple[int, tuple[str, ...]]:
    """How many processes may run at once without their threads fighting for cores, and a sentence if they are fewer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(jobs, max(1, cores // threads))
    if workers == jobs:
        return jobs, ()
    each = f", each of {threads} threads," if threads > 1 else ""
    return workers, (f"{jobs} jobs{each} are more than the {cores} cores here can run; {workers} ran at once.",)


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
