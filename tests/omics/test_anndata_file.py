"""AnnData from strangers: damaged, or of values that lie elsewhere, it is one sentence."""

import h5py
import numpy as np
import pandas as pd
import pytest

from prognoscope.core import unpacking
from prognoscope.core.errors import InputError
from prognoscope.omics.tables import read_omics

anndata = pytest.importorskip("anndata")


@pytest.fixture
def path(tmp_path):
    obs, var = pd.DataFrame(index=["A", "B"]), pd.DataFrame(index=["TP53", "MYC"])
    anndata.AnnData(np.float32([[1, 2], [3, 4]]), obs=obs, var=var).write_h5ad(tmp_path / "g.h5ad")
    return tmp_path / "g.h5ad"


def external(file: h5py.File) -> None:
    file["X"] = h5py.ExternalLink("other.h5", "/X")


def endless(file: h5py.File) -> None:
    file["X"] = h5py.SoftLink("/X")


def outside(file: h5py.File) -> None:
    file.create_dataset("X", (2, 2), "f4", external=[("/etc/hostname", 0, 16)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((2, 2), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "X", (2, 2))
    file.create_virtual_dataset("X", layout)


def text(file: h5py.File) -> None:
    file["X"] = "text"
    file["X"].attrs["encoding-type"], file["X"].attrs["encoding-version"] = "string", "0.2.0"


def huge(file: h5py.File) -> None:
    file.create_dataset("X", (2**40, 2**10), "f4", chunks=(1024, 16))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (external, r"g\.h5ad: 'X' is a link, which is not followed"),
        (endless, r"g\.h5ad: 'X' is a link, which is not followed"),
        (outside, r"g\.h5ad: the values of 'X' lie in other files"),
        (virtual, r"g\.h5ad: the values of 'X' lie in other files"),
        (huge, r"g\.h5ad has .* seems made to fill the memory"),
        (lambda file: None, r"g\.h5ad has no matrix X"),
        (text, r"g\.h5ad cannot be read as AnnData"),
    ],
    ids=["external", "endless", "outside", "virtual", "huge", "none", "text"],
)
def test_values_that_are_elsewhere_too_many_or_none_are_one_sentence(path, change, message):
    with h5py.File(path, "r+") as file:
        del file["X"]
        change(file)
    with pytest.raises(InputError, match=message):
        read_omics([path])


def test_an_encoding_that_is_not_known_and_damage_are_one_sentence(path):
    with h5py.File(path, "r+") as file:
        file["X"].attrs["encoding-type"] = "unheard"
    with pytest.raises(InputError, match=r"cannot be read as AnnData \(No read method registered"):
        read_omics([path])
    content = path.read_bytes()
    path.write_bytes(content.replace(b"SNOD", b"SNOX"))
    with pytest.raises(InputError, match="cannot be read as AnnData"):
        read_omics([path])


def test_a_sparse_matrix_of_few_values_that_fills_the_memory_is_refused(path, monkeypatch):
    import scipy.sparse

    monkeypatch.setattr(unpacking, "ALWAYS_FINE", 2**20)
    monkeypatch.setattr(unpacking, "MOST_TIMES", 20)
    obs, var = pd.DataFrame(index=list(map(str, range(3000)))), pd.DataFrame(index=[f"G{i}" for i in range(3000)])
    anndata.AnnData(scipy.sparse.csr_matrix((3000, 3000), dtype=np.float32), obs=obs, var=var).write_h5ad(path)
    with pytest.raises(InputError, match="seems made to fill the memory"):
        read_omics([path])


@pytest.mark.parametrize(("part", "value"), [("indices", 10_000_000), ("indices", -5), ("indptr", 900_000)])
def test_a_sparse_matrix_that_leads_out_of_its_shape_is_refused(path, part, value):
    import scipy.sparse

    values = scipy.sparse.csr_matrix(np.eye(4, 3, dtype=np.float32))
    anndata.AnnData(values, pd.DataFrame(index=list("abcd")), pd.DataFrame(index=["G1", "G2", "G3"])).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["X"][part][1] = value
    with pytest.raises(InputError, match="cannot be read as AnnData"):
        read_omics((path,), "anndata")
