"""AnnData files (.h5ad): the matrix X as a table; nothing outside of the file is read."""

import warnings
from collections.abc import Collection
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from prognoscope.core.errors import OmicsError, PrognoscopeError, nearest, some
from prognoscope.core.files import need_file
from prognoscope.core.tables import as_text, need_plain_ids
from prognoscope.core.unpacking import need_proportion
from prognoscope.omics.orientation import rows_are_genes

WHAT = "The gene table"
HARD_LINK = 0  # H5L_TYPE_HARD


def read_anndata(
    path: Path, patient: str | None, patients: Collection[str]
) -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """A row a patient, whose they are, and notes.

    Args:
        patient: The column of `obs` with the patients; by default the names of obs.
        patients: Of the cohort, by whom obs and var are told apart.

    Raises:
        MissingFileError: There is no such file.
        OmicsError: It is damaged, leads out of the file, has no matrix, or names genes twice.
    """
    path = need_file(path, WHAT)
    try:
        from anndata import read_h5ad
    except ImportError as cause:
        raise OmicsError(f'{path} is AnnData: install "prognoscope[anndata]" -c constraints.txt to read it.') from cause
    try:
        _need_own_values(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # on names that are there twice, which is an error below
            data = read_h5ad(path)
        if data.X is None:
            raise OmicsError(f"{path} has no matrix X. Put the values to use into X.")
        need_proportion(4 * data.n_obs * data.n_vars, path.stat().st_size, path, WHAT)
        check = getattr(data.X, "check_format", None)
        if check is not None:  # sparse: places outside of the matrix would be written to unchecked
            check(full_check=True)
        table, about = data.to_df(), data.obs
    except PrognoscopeError:
        raise
    except Exception as cause:  # anndata and h5py raise errors of every kind on damaged files
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0][:200]
        raise OmicsError(f"{path} cannot be read as AnnData ({reason}). Write it again.") from cause
    if patient is not None and patient not in about:
        raise OmicsError(f"{path} has no column {patient!r} in obs; {nearest(patient, list(map(str, about.columns)))}")
    notes = []
    table.columns = table.columns.astype(str)
    if patient is None and rows_are_genes(list(map(str, table.index)), list(table.columns), patients):
        notes.append(f"{path.name}: var are the patients and obs the genes, so the matrix was turned.")
        table = table.T
        table.columns = table.columns.astype(str)
    if twice := sorted(set(table.columns[table.columns.duplicated()])):
        raise OmicsError(f"{path} names {len(twice)} genes more than once: {some(twice)}. Make var_names unique.")
    ids = as_text((table.index.to_series() if patient is None else about[patient]).reset_index(drop=True))
    need_plain_ids(ids, str(path), patient or "obs", table)
    return table.reset_index(drop=True), ids, notes


def _need_own_values(path: Path) -> None:
    """Refuse a file whose values lie elsewhere, or that says it has far more of them than it holds."""
    links: list[tuple[bytes, int]] = []
    with h5py.File(path, "r") as file:
        file.id.links.visit(lambda name, link: links.append((name, link.type)), info=True)  # an error in it is lost
        for name, kind in links:
            place = name.decode(errors="replace")
            if kind != HARD_LINK:
                raise OmicsError(f"{path}: {place!r} is a link, which is not followed. Write its values into the file.")
            found = file[name]
            if not isinstance(found, h5py.Dataset) or found.shape is None:
                continue
            if found.is_virtual or found.id.get_create_plist().get_external_count():
                raise OmicsError(f"{path}: the values of {place!r} lie in other files. Write them into this one.")
            declared = int(np.prod(found.shape, dtype=object)) * found.dtype.itemsize  # objects do not overflow
            need_proportion(declared, path.stat().st_size, path, WHAT)
