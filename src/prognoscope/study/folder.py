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
from prognoscope.core.files import remove_leftovers, sha256, write_text
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.provenance import FailedFold, Provenance
from prognoscope.runs.tables import ACCOUNT, OUTCOMES, SPLITS
from prognoscope.study.jobs import Gathered, optimism
from prognoscope.study.places import need_run_or_room
from prognoscope.study.plan import Plan
from prognoscope.study.spec import StudySpec, parse_study, plain
from prognoscope.study.study_file import StudyFile
from prognoscope.study.yaml_file import read_yaml
from prognoscope.training.jobs import Failure

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
    before, now = read_yaml(path), plain(spec)
    if not isinstance(before, dict):
        raise StudyError(f"{path} is not the study file of a run. Remove the folder, or choose another with --out.")
    with suppress(StudyError):  # a file from before a setting came in has its default
        before = plain(parse_study(before))
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


def begin(plan: Plan, folder: Path, inputs: Gathered) -> None:
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
    files = RunFiles(folder)
    path = files.splits
    if path.is_file() and path.read_text(encoding="utf-8") != splits.to_csv(index=False, lineterminator="\n"):
        raise StudyError(
            f"{folder} holds a run on other patients or folds: its methods needed less than those now listed, or the "
            "cohort has changed. Choose another folder with --out, so that all methods see the same patients."
        )
    SPLITS.write(path, splits)
    write_text(files.study, yaml.safe_dump(plain(plan.study.spec), sort_keys=False, allow_unicode=True))
    account = account_of_splits(inputs.cohort, inputs.splits).to_table()
    account = account[~account["step"].str.startswith("fold ")]  # splits.csv has the folds in full
    ACCOUNT.write(files.account, account)
    outcome = inputs.cohort.outcome
    table = {"patient_id": outcome.patients, "time": outcome.time, "event": outcome.event}
    OUTCOMES.write(files.outcomes, pd.DataFrame(table))


def provenance(
    plan: Plan, inputs: Gathered, methods: Sequence[str], notes: Sequence[str], failures: Sequence[Failure]
) -> Provenance:
    """Where the numbers come from."""
    packages = ("prognoscope", "torch", "numpy", "pandas", "scipy", "lifelines")
    study, training = plan.study, plan.study.spec.training
    return Provenance(
        name=study.spec.name,
        command="prognoscope run study.yaml",
        protocol=study.spec.protocol,
        choose=training.choose,
        methods=tuple(methods),
        failed=tuple(FailedFold(each.method, each.fold, each.sentence) for each in failures),
        optimistic=optimism(study.spec),
        versions={"python": platform.python_version()} | {name: version(name) for name in packages},
        seed=training.seed,
        precision=plan.precision,
        inputs={name: sha256(study.folder / name) for name in input_files(study)},
        notes=(*inputs.cohort.account.notes, *inputs.notes, *notes),
    )


def input_files(study: StudyFile) -> list[str]:
    """The tables that the study names, relative to its file."""
    where = study.spec.cohort
    named = [*where.clinical.table, where.truth]
    named += [] if where.omics is None else [*where.omics.table, where.omics.groups]
    named += [each.table for each in (where.slides, where.features, where.subtype) if each is not None]
    return list(dict.fromkeys(name for name in named if name))
