"""A run's folder: whose it is, what is written before training, and where its numbers come from."""

import logging
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from prognoscope.cohort.covariate_account import tell_covariates
from prognoscope.cohort.splits import account_of_splits
from prognoscope.core.errors import InputError, StudyError, some
from prognoscope.core.files import remove_leftovers, write_text
from prognoscope.core.settings import made_whole, without_places
from prognoscope.features.store import PackedEmbeddings
from prognoscope.models.registry import card_of
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.manifest import checked, seal
from prognoscope.runs.provenance import FailedFold, Provenance, write_provenance
from prognoscope.runs.tables import ACCOUNT, COVARIATES, LACKING, OUTCOMES, PATIENTS, SPLITS
from prognoscope.study.departures import departures, other_settings
from prognoscope.study.jobs import Gathered, optimism
from prognoscope.study.lacking import lacking_table
from prognoscope.study.places import need_run_or_room
from prognoscope.study.plan import Plan
from prognoscope.study.protocols import name_of, rule_of
from prognoscope.study.run_log import sharers
from prognoscope.study.search import search_of
from prognoscope.study.sections import CHANGED, changes
from prognoscope.study.spec import StudySpec, parse_study, plain
from prognoscope.study.study_file import StudyFile
from prognoscope.study.yaml_file import read_yaml
from prognoscope.training.jobs import Failure
from prognoscope.training.method import Method

log = logging.getLogger(__name__)
WITH_PATHS = ("cohort", "features", "splits")
SAME_RUN = ("cohort", "features", "splits", "protocol", "training")  # sections that a run folder is bound to


def check_folder(spec: StudySpec, folder: Path) -> None:
    """Refuse a folder that holds another study's run; methods may be added to one.

    Raises:
        StudyError: It does; names the section that differs.
    """
    need_run_or_room(folder)
    path = RunFiles(folder).study
    if not path.is_file():
        return
    try:
        checked(path)
    except InputError as cause:  # it is written anew, and what the folds themselves keep is compared
        log.warning("%s", cause)
        return
    before = read_yaml(path)
    if not isinstance(before, dict):
        raise StudyError(f"{path} is not the study file of a run. Remove the folder, or choose another with --out.")
    now = plain(_comparable(spec))
    with suppress(StudyError):  # a file from before a setting came in has its default
        before = plain(_comparable(parse_study(before)))
    if differing := [section for section in SAME_RUN if before.get(section) != now[section]]:
        raise StudyError(
            f"{folder} holds a run with other settings of {some(differing)}. Choose another folder with --out, "
            "or remove it."
        )
    known = {m.get("label") or m["name"]: _without_sweeps(m) for m in before.get("methods", ())}
    for method in map(_without_sweeps, now["methods"]):
        title = method.get("label") or method["name"]
        if known.get(title, method) != method:
            raise StudyError(
                f"{folder} holds a run of {title} with other options or training. Give this one a label of its own, or "
                "choose another folder with --out."
            )


def _without_sweeps(method: Mapping[str, Any]) -> dict[str, Any]:
    """An entry as far as its training goes, to which sweeps may be added later."""
    return {key: value for key, value in method.items() if key != "sweeps"}


def begin(plan: Plan, folder: Path, inputs: Gathered) -> None:
    """Write what is known before training. From here until the run's end its old tables are no more to be read."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    parts = [
        {"patient_id": patient, "fold": split.fold, "part": part}
        for split in inputs.splits
        for part in ("train", "validation", "test")
        for patient in getattr(split, part)
    ]
    files = RunFiles(folder)
    files.manifest.unlink(missing_ok=True)
    SPLITS.write(files.splits, pd.DataFrame(parts))
    write_text(files.study, _study_text(plan, folder))
    account = account_of_splits(inputs.cohort, inputs.splits).to_table()
    account = account[~account["step"].str.startswith("fold ")]  # splits.csv has the folds in full
    ACCOUNT.write(files.account, account)
    outcome = inputs.cohort.outcome
    table = {"patient_id": outcome.patients, "time": outcome.time, "event": outcome.event}
    table |= {} if outcome.competing is None else {"competing": outcome.competing}
    OUTCOMES.write(files.outcomes, pd.DataFrame(table))
    _write_patients(files, inputs)
    lacking = lacking_table([each.method for each in plan.methods], inputs.cohort)
    files.lacking.unlink(missing_ok=True)  # of a run whose methods asked for more
    if len(lacking):
        LACKING.write(files.lacking, lacking)
    seal(folder, files.before_training, inputs.content)


def _write_patients(files: RunFiles, inputs: Gathered) -> None:
    """Who the patients are, as far as a report tells it: nothing that any model learns from."""
    cohort, pack = inputs.cohort, None if inputs.pack is None else PackedEmbeddings.open(inputs.pack)
    patients = list(cohort.patients)
    patches = [np.nan] * len(patients) if pack is None else [_patches(pack, patient) for patient in patients]
    told = {"site": cohort.site, "subtype": cohort.subtype}
    table = {name: [known.get(patient, "") for patient in patients] for name, known in told.items()}
    slides = [len(cohort.slides.get(patient, ())) for patient in patients]
    PATIENTS.write(
        files.patients, pd.DataFrame({"patient_id": patients, **table, "slides": slides, "patches": patches})
    )
    if cohort.covariates is not None:
        known = cohort.covariates.reindex(patients)
        words = known.astype(object).where(known.notna(), "").astype(str).drop(columns="patient_id", errors="ignore")
        COVARIATES.write(files.covariates, words.rename_axis("patient_id").reset_index())


def _patches(pack: PackedEmbeddings, patient: str) -> int:
    return sum(last - first for _, first, last in pack.slides(patient)) if patient in pack.patients else 0


def end(folder: Path, inputs: Gathered, told: Provenance) -> None:
    """Write where the numbers come from; from here on the run's tables can be read, and are checked."""
    files = RunFiles(folder)
    write_provenance(files.provenance, told)
    seal(folder, (*files.before_training, *files.tables), inputs.content)


def need_same_study(plan: Plan, folder: Path) -> None:
    """Refuse to share a run with processes whose study has other methods or settings.

    Raises:
        StudyError: It has.
    """
    files = RunFiles(folder)
    if len(sharers(files)) < 2 or not files.study.is_file():
        return
    if read_yaml(files.study) != yaml.safe_load(_study_text(plan, folder)):
        raise StudyError(
            f"{folder} is shared by processes whose study has other methods or settings: see {files.study}. Wait until "
            "they have ended, or start all of them with the same study."
        )


def _study_text(plan: Plan, folder: Path) -> str:
    settings = plain(_as_it_was_done(plan.study, folder))
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def _as_it_was_done(study: StudyFile, folder: Path) -> StudySpec:
    """The study as it can be run again from a run folder: with the recipes that were used, paths from there."""
    here = _from(folder, study.folder)
    spec = _with_recipes(study.spec)
    return spec.model_copy(update={name: made_whole(getattr(spec, name), here) for name in WITH_PATHS})


def _from(folder: Path, to: Path) -> Path:
    """The way from one folder to another."""
    try:
        return Path(os.path.relpath(to.resolve(), folder.resolve()))
    except ValueError:  # on another drive
        return to


def _comparable(spec: StudySpec) -> StudySpec:
    """A study as two of them are compared: whatever the folder, with the recipes that are used."""
    spec = _with_recipes(spec)
    parts = {name: without_places(getattr(spec, name)) for name in WITH_PATHS}
    parts["features"] = replace(parts["features"], save_patches=0)  # pictures decide nothing
    return spec.model_copy(update=parts)


def _with_recipes(spec: StudySpec) -> StudySpec:
    """The study with each method's whole recipe in its entry.

    Not of a method that has a teacher, for whom its entry's changes are meant too, nor of settings that are searched.
    """
    methods = []
    for section in spec.methods:
        changed = {**changes(spec.training), **changes(section.training)}
        method = Method(section.name, section.title, section.options, changed)
        recipe = method.changed_recipe
        if recipe is not None and method.profile.teacher is None:
            search = search_of(spec, section)
            searched = set() if search is None else set(search.recipe)
            used = {name: getattr(recipe, name) for name in CHANGED if name not in searched}
            if used.get("patch_draw", 0) is None:
                used["patch_draw"] = "all"
            section = section.model_copy(update={"training": replace(section.training, **used)})
        methods.append(section)
    return spec.model_copy(update={"methods": tuple(methods)})


def provenance(
    plan: Plan,
    folder: Path,
    inputs: Gathered,
    methods: Sequence[str],
    notes: Sequence[str],
    failures: Sequence[Failure],
) -> Provenance:
    """Where the numbers come from."""
    packages = ("prognoscope", "torch", "numpy", "pandas", "scipy")
    study, spec, training = plan.study, plan.study.spec, plan.study.spec.training
    rule, sections = rule_of(spec.protocol), [each for each in spec.methods if each.title in set(methods)]
    how = {"folds": len(plan.splits), "precision": plan.precision}
    differs = {} if spec.protocol == "honest" else {each.title: other_settings(spec, each, **how) for each in sections}
    return Provenance(
        name=study.spec.name,
        endpoint=spec.cohort.clinical.endpoint or "",
        command=study.command,
        protocol=name_of(spec.protocol),
        split=spec.evaluation.split,
        cut_from=spec.evaluation.cut_from or ("train" if spec.protocol == "honest" else "pooled"),
        rule="" if rule is None else rule.sentence,
        ddof=0 if rule is None else rule.ddof,
        choose=training.choose if rule is None else rule.choose,
        other_settings=differs,
        departures={} if spec.protocol == "honest" else {each.title: departures(each) for each in sections},
        methods=tuple(methods),
        papers={each.title: card_of(each.name).paper for each in sections},
        branches={each.title: told for each in sections if (told := card_of(each.name).branches)},
        failed=tuple(FailedFold(each.method, each.fold, each.sentence) for each in failures),
        optimistic=optimism(study.spec),
        versions={"python": platform.python_version()} | {name: version(name) for name in packages},
        seed=training.seed,
        draws=spec.evaluation.draws,
        precision=plan.precision,
        inputs=plan.inputs,
        store="" if inputs.pack is None else _from(folder, study.cache).as_posix(),
        embeddings="" if inputs.origin is None else str(inputs.origin),
        covariates=tell_covariates(inputs.cohort, inputs.splits),
        warnings=inputs.cohort.account.warnings,
        notes=(*inputs.cohort.account.notes, *inputs.notes, *notes),
    )
