"""A run's folder: whose it is, what is written before training, and where its numbers come from."""

import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import yaml

from prognoscope.cohort.splits import account_of_splits
from prognoscope.core.errors import StudyError, some
from prognoscope.core.files import remove_leftovers, sha256, write_table, write_text
from prognoscope.study.jobs import Inputs, optimism
from prognoscope.study.spec import parse_study
from prognoscope.study.study import Study, device_of
from prognoscope.study.yaml_file import read_yaml
from prognoscope.training.jobs import Failure
from prognoscope.training.spec import settled_precision

SAME_RUN = ("cohort", "features", "splits", "protocol", "training")  # sections that a run folder is bound to


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
    with suppress(StudyError):  # a file from before a setting came in has its default
        before = parse_study(before).model_dump(mode="json")
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


def provenance(
    study: Study, inputs: Inputs, methods: Sequence[str], notes: Sequence[str], failures: Sequence[Failure]
) -> dict[str, object]:
    """Where the numbers come from. No times of day, so that equal runs have equal files."""
    packages = ("prognoscope", "torch", "numpy", "pandas", "scipy", "lifelines")
    training = study.spec.training
    return {
        "name": study.spec.name,
        "command": "prognoscope run study.yaml",
        "protocol": study.spec.protocol,
        "choose": training.choose,  # where the protocol leaves it open
        "methods": list(methods),
        "failed": [{name: getattr(each, name) for name in ("method", "fold", "sentence")} for each in failures],
        "optimistic": optimism(study),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "seed": training.seed,
        "precision": settled_precision(training.precision, device_of(training.device)),
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
