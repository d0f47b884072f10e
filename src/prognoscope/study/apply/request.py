"""New patients as they come over a wire -> a cohort; whatever is in them is met by a sentence."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prognoscope.cohort.cohort import WORDS, Cohort
from prognoscope.core.errors import InputError, some
from prognoscope.core.outcome import Outcome
from prognoscope.features.store import Embeddings, PackedEmbeddings, pack_embeddings
from prognoscope.omics.tables import OmicsTable
from prognoscope.study.apply.ensemble import Ensemble
from prognoscope.study.apply.predict import NewPatients, predicted_table

MOST_PATIENTS, MOST_PATCHES = 100, 200_000
LARGEST = sys.float_info.max  # whole numbers of JSON may be beyond it
KEYS = {"id", "covariates", "genes", "embeddings"}


def predict_request(ensemble: Ensemble, asked: object, folder: Path) -> pd.DataFrame:
    """The predictions that a request asks for: {"patients": [{"id", "covariates", "genes", "embeddings"}], "times"}.

    Covariates and genes are mappings from names to values; embeddings a list of rows, one a patch.

    Args:
        folder: An empty one, for embeddings while they are predicted from.

    Raises:
        InputError: The request is not of this form, or its patients cannot be predicted; says what is wrong.
    """
    if not isinstance(asked, Mapping) or not isinstance(asked.get("patients"), list) or not asked["patients"]:
        raise InputError('Send {"patients": [{"id": "P1", ...}], "times": [12, 36]}, with at least one patient.')
    patients, times = asked["patients"], asked.get("times", [])
    if strange := sorted(map(str, set(asked) - {"patients", "times"})):
        raise InputError(f"The request has {some(strange)}, which nothing is done with. Take it away.")
    if len(patients) > MOST_PATIENTS:
        raise InputError(f"The request has {len(patients)} patients; send at most {MOST_PATIENTS} at once.")
    if not isinstance(times, list) or not all(_is_number(each) for each in times):
        raise InputError("times must be a list of months, such as [12, 36].")
    ensemble.check_times([float(each) for each in times])
    cohort, bags, strange = _cohort(ensemble, patients)
    embeddings = None
    profile = ensemble.voices[0].trained.model.profile
    if "bag" in profile.needs:
        embeddings = _packed(ensemble, bags, folder)
    able = set[str]().union(*map(cohort.able, ensemble.enough))
    if lacking := [patient for patient in cohort.patients if patient not in able]:
        needs = ", or ".join(" and ".join(WORDS[what] for what in sorted(each)) for each in ensemble.enough)
        takes = frozenset[str]().union(*ensemble.enough)
        known = f" The model's covariates are {some(_wanted(ensemble))}." if "clinical" in takes else ""
        raise InputError(f"The request lacks what the model predicts from, {needs}, of {some(lacking)}.{known}")
    for member in ensemble.members:
        scaler = member.trained.preparation.omics
        if scaler is not None and cohort.omics is not None:
            scaler.need_same_scale(cohort.omics.values, cohort.omics.source)
    told = ["The model tells of none of its training patients, so nobody was compared with them."]
    if strange:
        told.append(f"Nothing was done with covariates that the model does not know: {some(strange)}.")
    return predicted_table(ensemble, NewPatients(cohort, embeddings, tuple(told)), [float(each) for each in times])


def _wanted(ensemble: Ensemble) -> list[str]:
    """The covariates that the model knows."""
    return [str(each) for each in ensemble.reading.clinical.get("covariates", ())]


def _cohort(ensemble: Ensemble, patients: Sequence[object]) -> tuple[Cohort, dict[str, np.ndarray], list[str]]:
    """The patients, their bags, and which of their covariates the model does not know."""
    ids: list[str] = []
    tables: dict[str, dict[str, Mapping[str, Any]]] = {"covariates": {}, "genes": {}}
    bags: dict[str, np.ndarray] = {}
    for i, each in enumerate(patients):
        name = each.get("id") if isinstance(each, Mapping) else None
        if not isinstance(each, Mapping) or not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise InputError(f"Patient {i + 1} of the request has no id, which must be text that can be printed.")
        if name in ids:
            raise InputError(f"The patient {name!r} is in the request twice.")
        if strange := sorted(map(str, set(each) - KEYS)):
            raise InputError(f"The patient {name!r} has {some(strange)}; known are {', '.join(sorted(KEYS))}.")
        ids.append(name)
        for part, table in tables.items():
            values = each.get(part)
            if values is None:
                continue
            if not isinstance(values, Mapping) or not all(_is_plain(v) for v in values.values()):
                raise InputError(f"The {part} of {name!r} must be names with numbers, words or null.")
            table[name] = values
        if each.get("embeddings") is not None:
            bags[name] = _bag(name, each["embeddings"])
    strange = sorted(set[str]().union(*tables["covariates"].values()) - set(_wanted(ensemble)))
    return _made(ensemble, ids, tables, bags), bags, strange


def _made(
    ensemble: Ensemble,
    ids: list[str],
    tables: Mapping[str, Mapping[str, Mapping[str, Any]]],
    bags: Mapping[str, np.ndarray],
) -> Cohort:
    outcome = Outcome(tuple(ids), np.zeros(len(ids)), np.zeros(len(ids), dtype=bool))
    covariates = genes = None
    if tables["covariates"]:
        covariates = pd.DataFrame.from_dict(dict(tables["covariates"]), orient="index")
        covariates = covariates.reindex(index=ids, columns=_wanted(ensemble))
    if tables["genes"]:
        try:
            values = pd.DataFrame.from_dict(dict(tables["genes"]), orient="index").reindex(ids).astype(np.float32)
        except (TypeError, ValueError) as cause:
            raise InputError(f"The genes of the request must be numbers or null ({cause}).") from cause
        genes = OmicsTable(values, source="the request")
    slides = {patient: (patient,) for patient in bags}
    return Cohort("request", outcome, slides=slides, omics=genes, covariates=covariates)


def _bag(name: str, values: object) -> np.ndarray:
    try:
        bag = np.array(values, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as cause:
        raise InputError(f"The embeddings of {name!r} must be rows of numbers, all of one length.") from cause
    if bag.ndim != 2 or not bag.size or not np.isfinite(bag).all():
        raise InputError(f"The embeddings of {name!r} must be rows of finite numbers, one row a patch.")
    if len(bag) > MOST_PATCHES:
        raise InputError(f"{name!r} has {len(bag)} patches; send at most {MOST_PATCHES}.")
    return bag


def _packed(ensemble: Ensemble, bags: Mapping[str, np.ndarray], folder: Path) -> PackedEmbeddings:
    expected = ensemble.card.sizes["embedding_dim"]
    if wrong := [name for name, bag in bags.items() if bag.shape[1] != expected]:
        length = bags[wrong[0]].shape[1]
        raise InputError(f"The model takes embeddings of length {expected}; those of {wrong[0]!r} have {length}.")
    loaders = {name: [(name, partial(Embeddings, name, bag))] for name, bag in bags.items()}
    pack_embeddings(loaders, folder / "request.bags", "request")
    return PackedEmbeddings.open(folder / "request.bags")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str) or _is_number(value)
