import pytest
import torch

from prognoscope.core.errors import ModelError
from prognoscope.models.layers.flat_genes import FlatGenes

NAMES = (("TP53_mut", "MYC_cnv"), ("MYC_cnv", "MYC_rnaseq", "AGE"))
OMICS = (torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 3.0, 4.0]]))


def test_a_gene_of_two_groups_is_seen_once():
    assert FlatGenes((2, 3), NAMES)(OMICS).tolist() == [[1, 2, 3, 4]]


def test_without_names_every_column_is_another_gene():
    assert FlatGenes((2, 3))(OMICS).tolist() == [[1, 2, 2, 3, 4]]


def test_columns_of_a_kind_alone():
    flat = FlatGenes((2, 3), NAMES, kinds=("cnv", "mut"))
    assert (flat(OMICS).tolist(), flat.n_genes) == ([[1, 2]], 2)
    assert FlatGenes((2, 3), NAMES, kinds=("",))(OMICS).tolist() == [[4]]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ModelError, match=r"\(2, 3\) gene names do not fit groups of \(2, 2\) genes"):
        FlatGenes((2, 2), NAMES)
    with pytest.raises(ModelError, match="no gene column of kind 'mut'"):
        FlatGenes((1,), [["MYC_rnaseq"]], kinds=("mut",))
