"""A method of a run as one folder that can be shipped: weights, preparation, cuts, a card; nothing of any patient."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from prognoscope.core.errors import InputError, ModelError, some
from prognoscope.core.files import need_ours, need_writable, read_json, remove_leftovers, write_json, write_text
from prognoscope.core.words import count
from prognoscope.models.base import SurvivalModel
from prognoscope.runs.card import need_own_card
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.layout import FINAL, FOLD, MANIFEST, FoldFiles, RunFiles
from prognoscope.runs.manifest import checked, damage, seal
from prognoscope.runs.read import Run, open_finished
from prognoscope.runs.training_summary import read_summary, write_summary
from prognoscope.study.apply.ensemble import ERROR, Ensemble, Member, method_of, open_ensemble
from prognoscope.study.apply.front_matter import NOT_TOLD, front_matter
from prognoscope.study.apply.given import Reading
from prognoscope.training.checkpoint import save_model
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trained import Trained

ABOUT, FORMAT, VERSION = "model.json", "prognoscope model", 1
BEGUN = "is_begun"  # marks what is not whole yet


def export_model(run: Path, to: Path, *, method: str | None = None, licence: str = "") -> tuple[Path, str]:
    """Write a folder that predicts as the method of the run does; by its model of all patients, where there is one.

    Args:
        to: The folder.
        licence: Of the weights, such as CC-BY-4.0.

    Returns:
        The folder, and what is in it, in a sentence.

    Raises:
        ModelError: The run has no such method, or was made by a version that kept too little for it.
        InputError: The folder holds something else.
    """
    if to.exists() and not to.is_dir():
        raise InputError(f"{to} is a file. Name the folder to write with --out.")
    others = [each for each in (*to.glob("*"), *to.glob("*/*/model.*")) if each.is_file()]
    need_ours(to / ABOUT, f'"format": "{FORMAT}"', others)
    need_writable(to, "The model", "Name another folder with --out.")
    finished = open_finished(run)
    title = method_of(finished, method)
    ensemble = open_ensemble(run, title, TrainingSpec(), final=RunFiles(run).final(title).is_done)
    files = RunFiles(to)
    if any(member.summary is None or member.cut is None for member in ensemble.members):
        raise ModelError(
            f"{run} was made by a version that kept too little of what its models learned from. Start its `prognoscope "
            "run` into another folder, and export that."
        )
    _begin(to)
    cuts = {}
    for member in ensemble.members:
        place = files.final(title) if member is ensemble.final else files.fold(title, member.trained.card.fold)
        _write_member(member, place)
        cuts[place.folder.name] = member.cut
    about = _about(finished, ensemble, cuts, licence)
    write_text(files.folder / "README.md", f"{front_matter(about)}\n{_card(finished, ensemble, about)}")
    write_json(files.folder / ABOUT, about)
    seal(files.folder, (files.folder / ABOUT, files.folder / "README.md"), Fingerprint({"model": title}))
    what = count(len(ensemble.folds), "model of a fold", "models of folds")
    what = f"the model of all patients, and {what} that say how sure it is" if ensemble.final else what
    return to, f"{title}: {what}."


def _begin(folder: Path) -> None:
    """Mark the folder as not whole, and remove what an earlier export wrote: none of its models may go with others."""
    write_json(folder / ABOUT, {"format": FORMAT, "version": VERSION, BEGUN: True})
    remove_leftovers(folder)
    for path in (folder / MANIFEST, folder / "README.md"):
        path.unlink(missing_ok=True)
    for files in map(FoldFiles, [*folder.glob(f"*/{FOLD}*/"), *folder.glob(f"*/{FINAL}/")]):
        for path in (files.weights, files.card, files.summary, files.manifest):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # they hold something else
            files.folder.rmdir()
            files.folder.parent.rmdir()


def _write_member(member: Member, files: FoldFiles) -> None:
    trained = member.trained
    for module in trained.model.modules():  # of what it is made of, too
        if isinstance(module, SurvivalModel):
            module.forget_patients()
    features = dict(trained.card.features)
    for name in ("weights", "coords", "regions"):
        if features.get(name):
            features[name] = Path(str(features[name])).name  # a place on the machine of training
    save_model(files, trained.model, replace(trained.card, features=features, search=None))
    if member.summary is not None:
        write_summary(files.summary, member.summary)
    seal(files.folder, (files.weights, files.card, files.summary), Fingerprint({"model": trained.card.title}))


def _about(run: Run, ensemble: Ensemble, cuts: Mapping[str, float | None], licence: str) -> dict[str, Any]:
    measured = run.summary(ensemble.title, "c_index")
    held_out = None if measured is None else {name: float(measured[name]) for name in ("value", "low", "high")}
    return {
        "format": FORMAT,
        "version": VERSION,
        "prognoscope": version("prognoscope"),
        "title": ensemble.title,
        "name": ensemble.card.name,
        "study": run.name,
        "endpoint": ensemble.endpoint,
        "protocol": run.protocol,
        "licence": licence or NOT_TOLD,
        "paper": run.provenance.papers.get(ensemble.title, ""),
        "is_final": ensemble.final is not None,
        "by_survival": ensemble.by_survival,
        "level": ensemble.level,
        "error": ERROR,
        "cuts": dict(cuts),
        "reading": asdict(ensemble.reading),
        "patients": len(run.outcomes),
        "events": int(run.outcomes.event.sum()),
        "last_month": ensemble.last_month,
        "c_index": held_out if held_out and np.isfinite(list(held_out.values())).all() else None,
        "optimistic": run.optimistic.get(ensemble.title, ""),
    }


def is_model(folder: Path) -> bool:
    """Whether this is a folder that `export_model` wrote."""
    return (Path(folder) / ABOUT).is_file() and not RunFiles(Path(folder)).provenance.is_file()


def open_model(folder: Path, method: str | None, spec: TrainingSpec, *, final: bool = False) -> Ensemble:
    """What `export_model` wrote, ready for new patients; where it has a model of all patients, that speaks.

    Raises:
        ModelError: It is of another method than is asked for, a part of it is lost, or it has no final model, which is
            asked for.
        InputError: It is damaged, or of a later version.
    """
    about = read_about(folder)
    title = str(about["title"])
    if method not in (None, title):
        raise ModelError(f"{folder} is a model of {title}, not of {method}. Leave out --method.")
    if final and not about["is_final"]:
        raise ModelError(
            f"{folder} has no model of {title} that was trained on all patients. Leave out --final, or ask for one: "
            "`prognoscope run --final` trains it, and the model is exported again."
        )
    files = RunFiles(folder)
    folds = [each for each in files.folds(title) if each.card.is_file()]
    places = [*folds, *([files.final(title)] if about["is_final"] else [])]
    if {each.folder.name for each in places} != set(about["cuts"]):
        raise ModelError(f"{folder} has lost models of {title}. Copy the whole folder again.")
    if bad := [path.relative_to(folder).as_posix() for place in places for path in _not_whole(place)]:
        raise InputError(
            f"{some(bad)} of the model {folder} was changed, cut off or lost. Copy the whole folder again."
        )
    try:
        cuts = {name: float(cut) for name, cut in about["cuts"].items()}
        level = None if about["level"] is None else float(about["level"])
        reading = Reading(**about["reading"])
    except (TypeError, ValueError) as cause:
        raise InputError(f"{folder / ABOUT} cannot be read ({cause}). Copy the whole folder again.") from cause
    members = {each.folder.name: _read_member(each, spec, cuts) for each in places}
    told = {"by_survival": bool(about["by_survival"]), "level": level, "reading": reading}
    told["endpoint"] = str(about.get("endpoint", ""))  # which models of earlier versions do not tell
    of_all = members.pop(files.final(title).folder.name, None)
    return Ensemble(folder, title, tuple(members.values()), final=of_all, **told)


def read_about(folder: Path) -> dict[str, Any]:
    """What an exported model says of itself.

    Raises:
        InputError: It is damaged, or of a later version.
    """
    cure = "Copy the whole folder again."
    about = read_json(checked(folder / ABOUT), "The model", "Name a folder that `prognoscope export` wrote, all of it.")
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise InputError(f"{folder / ABOUT} is no model of Prognoscope. {cure}")
    if BEGUN in about:
        raise InputError(f"The export into {folder} was begun and did not end, so it is no model yet. Export it again.")
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder} has lost its {MANIFEST}, so nothing says whether it is whole. {cure}")
    if about.get("version") != VERSION:
        found = about.get("version")
        raise InputError(f"{folder} is a model of form {found}, and this program reads {VERSION}. Update it.")
    needed = ("title", "cuts", "reading", "level", "by_survival", "is_final")
    if missing := [name for name in needed if name not in about]:
        raise InputError(f"{folder / ABOUT} tells no {missing[0]}. {cure}")
    return about


def _not_whole(files: FoldFiles) -> list[Path]:
    """What is not as it was exported; without a manifest nothing says how that was."""
    return [files.folder / name for name in damage(files.folder)] if files.is_done else [files.manifest]


def _read_member(files: FoldFiles, spec: TrainingSpec, cuts: Mapping[str, float]) -> Member:
    need_own_card(files)
    trained, summary = Trained.load(files, spec), read_summary(files.summary)
    return Member(trained, summary.last_month, cuts[files.folder.name], summary)


def _card(run: Run, ensemble: Ensemble, about: Mapping[str, Any]) -> str:
    measured = about["c_index"]
    c_index = "not measured"
    if measured is not None:
        c_index = "{value:.3f} (95 % interval {low:.3f} to {high:.3f})".format(**measured)
    speaks = "one model of all patients; the models of the folds beside it say how sure it is"
    speaks = speaks if ensemble.final else f"the mean of the {len(ensemble.folds)} models of a cross-validation"
    needs = " or ".join(" and ".join(sorted(each)) for each in ensemble.voices[0].trained.model.profile.enough)
    lines = [
        f"# {ensemble.title}, trained on {run.title}",
        f"Survival of cancer patients by `{about['name']}` ({about['paper'] or 'no paper'}): {speaks}.",
        f"* Licence of the weights: {about['licence']}",
        *(["* Other events compete: survival is one minus the incidence of the event."] if ensemble.competes else []),
        f"* Learned from {count(about['patients'], 'patient')} with {count(about['events'], 'event')}, followed for up "
        f"to {about['last_month']:.1f} months; nothing is told beyond.",
        f"* Predicts from {needs} (bag: slides as embeddings; omics: genes; clinical: covariates).",
        f"* C-index on held-out patients of the same cohort, {about['protocol']} protocol: {c_index}.",
        *([f"* Optimistic: {about['optimistic']}."] if about["optimistic"] else []),
        "* No evaluation on another cohort is part of this folder. Research use; no medical device.",
        "* It holds weights (safetensors), how data are prepared (means, SDs, medians and ranges), cuts between risk "
        "groups and summaries of embeddings: no patient's row and no id.",
        "Use: `prognoscope predict FOLDER --study new.yaml --times 12,36,60`, or `prognoscope predict FOLDER --help`.",
    ]
    return "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:-1]) + "\n\n" + lines[-1] + "\n"
