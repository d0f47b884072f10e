"""A run as one AnnData file: a row a patient, what was predicted of them, and what it was predicted from."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from prognoscope.core.errors import InputError
from prognoscope.core.files import written_whole
from prognoscope.core.words import listed
from prognoscope.runs.manifest import read_manifest
from prognoscope.runs.read import Run, open_finished
from prognoscope.runs.tables import numbered_columns
from prognoscope.study.content import content_of
from prognoscope.study.export.map_files import need_new
from prognoscope.study.kept_study import cohort_of, study_of

if TYPE_CHECKING:
    from anndata import AnnData
OF_GENES = ("genes", "gene groups")  # parts of what a run was made of


def export_patients(run: Path, to: Path, *, method: str | None = None) -> tuple[Path, str]:
    """Write an `.h5ad` file of the patients of a run.

    `obs` has follow-up (time in months, event), site, subtype, covariates and of each method `<method>_risk` and
    `<method>_fold`, from the fold that held the patient out; of a patient whom several folds held out, a column a fold
    instead. `obsm` has `<method>_survival`, the chance of outliving the months in `<method>_months`. `X` has the genes
    as their table has them, if the study has any, and `varm["groups"]` which are in which gene group.

    Args:
        method: Its title; by default all of the run.

    Returns:
        The file, and what is in it, in a sentence.

    Raises:
        InputError: The place is taken, the extra `anndata` is not installed, or the genes are not the run's any more.
    """
    need_anndata()
    if to.suffix != ".h5ad":
        raise InputError(f"AnnData files end with .h5ad; name one with --out, such as {to.with_suffix('.h5ad')}.")
    finished = open_finished(run)
    need_new(to)
    table = _patients(finished, method)
    write_h5ad(to, table)
    genes = f"{table.n_vars} genes" if table.n_vars else "no genes"
    return to, f"{table.n_obs} patients, {genes}, and what {len(table.uns['prognoscope']['methods'])} methods predicted"


def need_anndata() -> None:
    """Refuse to go on without the package.

    Raises:
        InputError: It is not installed.
    """
    try:
        import anndata  # noqa: F401
    except ImportError as cause:
        raise InputError('AnnData files need an extra: install "prognoscope[anndata]" -c constraints.txt.') from cause


def write_h5ad(path: Path, table: "AnnData") -> None:
    """Write it, whole or not at all."""
    with written_whole(path) as beside:
        table.write_h5ad(beside, compression="gzip")


def _patients(run: Run, method: str | None) -> "AnnData":
    from anndata import AnnData

    from prognoscope.study.apply.ensemble import method_of

    outcome = run.outcomes
    obs = pd.DataFrame({"time": outcome.time, "event": outcome.event}, index=pd.Index(outcome.patients))
    if outcome.competing is not None:
        obs["competing"] = outcome.competing
    about, covariates = run.patients.reindex(obs.index), run.covariates.reindex(obs.index)
    parts = [obs, about.dropna(axis="columns", how="all"), covariates]
    curves: dict[str, np.ndarray] = {}
    titles = [method_of(run, method)] if method else list(run.methods)
    for title in titles:
        told = run.method(title).predictions
        if told["patient_id"].is_unique:
            told = told.set_index("patient_id").reindex(obs.index)
            risk = {f"{title}_risk": told["risk"], f"{title}_fold": told["fold"].astype("Int64")}
            parts.append(pd.DataFrame(risk, index=obs.index))
            for name, beginning in (("survival", "S_"), ("months", "months_")):
                if numbered := numbered_columns(told, beginning):
                    curves[f"{title}_{name}"] = told[numbered].to_numpy(float)
        else:
            risks = told.pivot(index="patient_id", columns="fold", values="risk").reindex(obs.index)
            parts.append(risks.rename(columns=lambda fold, title=title: f"{title}_risk_fold_{fold}"))
    obs = pd.concat(parts, axis="columns")
    obs.columns = _distinct([str(name) for name in obs])
    words = {name: "category" for name in obs if not is_numeric_dtype(obs[name])}
    values, var, groups = _genes(run, list(outcome.patients))
    notes = {"study": run.name, "protocol": run.protocol, "methods": titles, "unit_of_time": "months"}
    table = AnnData(values, obs.astype(words), var, uns={"prognoscope": notes})
    for name, curve in curves.items():
        table.obsm[name] = curve
    if len(groups.columns):
        table.varm["groups"] = groups
    return table


def _distinct(names: list[str]) -> list[str]:
    """Names of columns, of which a covariate called like what is there is told by a word more."""
    return [f"{name}_covariate" if name in names[:place] else name for place, name in enumerate(names)]


def _genes(run: Run, patients: list[str]) -> tuple[np.ndarray | None, pd.DataFrame | None, pd.DataFrame]:
    """Genes of patients, their names, and in which groups they are; nothing of a study without genes."""
    study = study_of(run)
    omics = groups = None
    if study.where.omics is not None:
        cohort = cohort_of(run, study)
        omics, groups = cohort.omics, cohort.groups
        here, manifest = set(cohort.patients), read_manifest(run.folder)
        now = content_of(cohort.take([each for each in patients if each in here]), None).only(OF_GENES)
        if manifest is not None and (changed := now.differences(manifest.made_of)):
            raise InputError(
                f"{run.folder} was made of something else than is there now. Changed: {listed(changed)}. Put it back, "
                "or run the study again."
            )
    if omics is None:
        return None, None, pd.DataFrame()
    table = omics.values.reindex(patients)
    var = pd.DataFrame(index=pd.Index([str(name) for name in table.columns]))
    within = {name: table.columns.isin(genes) for name, genes in (groups or {}).items()}
    return table.to_numpy(np.float32), var, pd.DataFrame(within, index=var.index)
