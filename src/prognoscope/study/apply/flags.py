"""What is unusual about a patient, as far as a model's training patients tell: a sentence for each thing."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.cohort.cohort import WORDS, Cohort
from prognoscope.cohort.covariates import Categories, NumericColumn
from prognoscope.core.tables import as_text
from prognoscope.features.store import PackedEmbeddings
from prognoscope.runs.training_summary import share_below
from prognoscope.study.apply.ensemble import Ensemble, Member
from prognoscope.training.summary import gene_strays, mean_embeddings

FAR = 0.99  # of training patients are nearer, by every model
ROUNDING = 1e-9
MANY = 0.05  # of a patient's genes that are filled; tables of training lack a few, too


def uses_of(ensemble: Ensemble, cohort: Cohort) -> list[str]:
    """Which of what a method can predict from each patient has, such as `slides and genes`."""
    profile = ensemble.voices[0].trained.model.profile
    wanted = [what for what in ("bag", "omics", "clinical") if what in profile.needs | profile.takes]
    having = {what: cohort.having(what) for what in wanted}
    return [" and ".join(WORDS[what] for what in wanted if p in having[what]) or "nothing" for p in cohort.patients]


def flags_of(
    ensemble: Ensemble, cohort: Cohort, embeddings: PackedEmbeddings | None
) -> tuple[list[list[str]], Float[np.ndarray, " P"]]:
    """For each patient sentences on what training never saw, and how far their slides lie from training.

    Returns:
        The sentences, and the share of training patients whose mean embedding is nearer to the middle, the mean over
        the models; NaN where it is not known.
    """
    flags: list[list[str]] = [[] for _ in cohort.patients]
    profile = ensemble.voices[0].trained.model.profile
    for what in (what for what in WORDS if what in profile.needs | profile.takes):
        having = cohort.having(what)
        for patient, own in zip(cohort.patients, flags, strict=True):
            if patient not in having:
                own.append(f"has no {WORDS[what]}, and is predicted without")
    _flag_covariates(ensemble.members, cohort, flags)
    slides = np.full(len(cohort), np.nan)
    if embeddings is not None:
        clouds = [member.summary.bags for member in ensemble.members if member.summary and member.summary.bags]
        there = set(embeddings.patients)
        known = np.array([p in there for p in cohort.patients])
        if clouds and known.any():
            means = mean_embeddings(embeddings, tuple(p for p in cohort.patients if p in there))
            known[known] = np.isfinite(means).all(axis=1)
            means = means[np.isfinite(means).all(axis=1)]
            slides[known] = np.mean([share_below(cloud.distance(means), cloud.distances) for cloud in clouds], axis=0)
        _flag_far(slides, "slides", flags)
    if cohort.omics is not None:
        _flag_missing_genes(ensemble.members, cohort, flags)
        _flag_far(_gene_shares(ensemble.members, cohort), "genes", flags)
    return flags, slides


def _flag_far(shares: Float[np.ndarray, " P"], what: str, flags: list[list[str]]) -> None:
    for share, own in zip(shares, flags, strict=True):
        if share >= FAR - ROUNDING:
            own.append(f"{what} lie farther from training than those of {FAR:.0%} of its patients")


def _flag_missing_genes(members: Sequence[Member], cohort: Cohort, flags: list[list[str]]) -> None:
    scalers = [m.trained.preparation.omics for m in members]
    columns = list(dict.fromkeys(column for each in scalers if each is not None for column in each.columns))
    assert cohort.omics is not None
    missing = cohort.omics.values.reindex(index=list(cohort.patients), columns=columns).isna().sum(axis=1)
    for n, own in zip(missing, flags, strict=True):
        if MANY * len(columns) < n < len(columns):
            own.append(f"{n} of {len(columns)} genes are missing; their training medians stand for them")


def _gene_shares(members: Sequence[Member], cohort: Cohort) -> Float[np.ndarray, " P"]:
    told = []
    for member in members:
        summary, preparation = member.summary, member.trained.preparation
        if summary is not None and summary.genes is not None and preparation.omics is not None:
            strays = gene_strays(member.trained.dataset(cohort, cohort.patients, None))
            told.append(np.where(np.isnan(strays), np.nan, share_below(strays, summary.genes)))
    return np.mean(told, axis=0) if told else np.full(len(cohort), np.nan)


def _flag_covariates(members: Sequence[Member], cohort: Cohort, flags: list[list[str]]) -> None:
    encoders = [m.trained.preparation.covariates for m in members]
    columns = [column for encoder in encoders if encoder is not None for column in encoder.columns]
    if cohort.covariates is None:
        return
    table = cohort.covariates.reindex(list(cohort.patients))
    for name in dict.fromkeys(column.name for column in columns if column.name in table):
        numbers = [c for c in columns if c.name == name and isinstance(c, NumericColumn)]
        levels = {value for c in columns if c.name == name and isinstance(c, Categories) for value in c.values}
        words = as_text(table[name])
        values = pd.to_numeric(table[name], errors="coerce") if numbers else None
        lows, highs = ([getattr(c, end) for c in numbers] for end in ("low", "high"))
        bounds = (min(lows), max(highs)) if numbers and None not in (*lows, *highs) else None
        for i, own in enumerate(flags):
            if words.iloc[i] is None or pd.isna(words.iloc[i]):
                stands = "the training median stands for it" if numbers else "no level is set"
                own.append(f"{name} is missing; {stands}")
            elif values is not None and bounds is not None and not bounds[0] <= values.iloc[i] <= bounds[1]:
                own.append(f"{name} {values.iloc[i]:g} lies outside training, {bounds[0]:g} to {bounds[1]:g}")
            elif not numbers and words.iloc[i] not in levels:
                own.append(f"{name} {words.iloc[i]} was never seen in training, so it counts as no level")
