"""One vector a patient, from a table: a bag of one."""

import numpy as np
import pandas as pd
import pytest

from prognoscope.core.errors import FeatureError
from prognoscope.features.store import pack_embeddings, read_embedding_table


def test_each_row_is_a_bag_of_one(tmp_path):
    table = pd.DataFrame({"pat": ["007", "b"], "x": [1.5, -2.0], "y": [0, 1]})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        bags = read_embedding_table(tmp_path / name, "pat").bags
        assert list(bags) == ["007", "b"]
        assert bags["b"].features.tolist() == [[-2.0, 1.0]]
        assert bags["b"].coords_um is None


def test_the_pathology_of_gpdbn_packs_into_bags_of_one(data_pack, tmp_path):
    bags = read_embedding_table(data_pack / "gpdbn_brca" / "pathology.csv", "patient_id").bags
    assert len(bags) == 1015
    packed = pack_embeddings({p: [(p, lambda one=one: one)] for p, one in bags.items()}, tmp_path / "pack", "k")
    assert packed.embedding_dim == 32
    values, coords = packed.bag(packed.patients[7])
    assert set(np.unique(values)) <= {0, 1}
    assert (values.shape, values.dtype, coords) == ((1, 32), np.float32, None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"patient_id": ["a", "a"]}, r"more than one row for a\. Leave one"),
        ({"patient_id": ["a", None]}, r"rows without patient_id\. Fill them in"),
        ({"x": ["low", "high"]}, r"columns that are not numbers: x\. Remove"),
        ({"x": [1.0, np.nan]}, r"missing or infinite embeddings for b\. Remove or mend"),
        ({"x": [1.0, np.inf]}, r"missing or infinite embeddings for b\. Remove or mend"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, says):
    table = pd.DataFrame({"patient_id": ["a", "b"], "x": [1.0, 2.0], "y": [3.0, 4.0]} | change)
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(FeatureError, match=says):
        read_embedding_table(tmp_path / "t.csv", "patient_id")


def test_a_missing_column_names_those_there_are(tmp_path):
    pd.DataFrame({"case": ["a"], "x": [1.0]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(FeatureError, match="no column 'patient_id'; it has case, x"):
        read_embedding_table(tmp_path / "t.csv", "patient_id")
