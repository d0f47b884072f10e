"""Scaling by training patients: nobody else has a say, nothing is lost on the way through a file."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from prognoscope.core.errors import OmicsError
from prognoscope.omics.scaling import OmicsScaler

COLUMNS = ["A_rnaseq", "B_rnaseq", "A_cnv", "C_mut", "D"]
GROUPS = {"first": ("A_rnaseq", "A_cnv", "D"), "second": ("D", "B_rnaseq"), "third": ("C_mut",)}
VALUES = st.one_of(st.just(np.nan), st.floats(-1000, 1000, width=32), st.sampled_from([0.0, 1.0]))


def named(values):
    patients = pd.Index([f"P{i}" for i in range(len(values))], name="patient")
    return pd.DataFrame(np.asarray(values, dtype=np.float32), index=patients, columns=COLUMNS)


def varied(values):
    """With two patients whose every column varies, so that none is dropped."""
    return named(np.vstack([values, np.zeros(5), np.arange(1, 6)]))


TABLES = arrays(np.float32, st.tuples(st.integers(0, 12), st.just(5)), elements=VALUES).map(varied)


def same(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@given(TABLES, TABLES, st.sampled_from([None, 0.5, 5.0]))
def test_only_training_patients_decide(train, other, clip):
    """What others are like changes neither the scaler nor what it makes of anybody else."""
    scaler = OmicsScaler.fit(train, GROUPS, clip=clip)
    together = scaler.transform(pd.concat([train, other]))
    same([group[: len(train)] for group in together], scaler.transform(train))
    same([group[len(train) :] for group in together], scaler.transform(other))
    everybody = pd.concat([train, other]).iloc[: len(train)]
    assert OmicsScaler.fit(everybody, GROUPS, clip=clip) == scaler


@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_patients_and_of_columns_does_not_matter(train, random):
    scaler = OmicsScaler.fit(train, GROUPS)
    rows, columns = random.sample(range(len(train)), len(train)), random.sample(COLUMNS, len(COLUMNS))
    assert OmicsScaler.fit(train.iloc[rows], GROUPS) == scaler
    assert OmicsScaler.fit(train[columns], GROUPS) == scaler
    same(scaler.transform(train[columns]), scaler.transform(train))


@given(TABLES)
def test_filling_and_scaling_are_those_of_scikit_learn(train):
    scaler = OmicsScaler.fit(train, GROUPS)
    has_genes = train.notna().any(axis=1)
    steps = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    expected = pd.DataFrame(steps.fit_transform(train[has_genes].astype(np.float64)), columns=COLUMNS)
    for group, columns in zip(scaler.transform(train[has_genes]), GROUPS.values(), strict=True):
        np.testing.assert_allclose(group, expected[list(columns)], atol=1e-5, rtol=1e-5)
    assert scaler.filled == int(train[has_genes].isna().sum().sum())


@given(TABLES)
def test_training_patients_get_mean_0_and_variance_1(train):
    for group in OmicsScaler.fit(train, GROUPS).transform(train[train.notna().any(axis=1)]):
        np.testing.assert_allclose(group.mean(axis=0, dtype=np.float64), 0, atol=1e-4)
        np.testing.assert_allclose(group.std(axis=0, dtype=np.float64), 1, atol=1e-4)


@given(TABLES, st.floats(0.1, 2000))
def test_clipping_first_is_scaling_a_clipped_table(train, clip):
    try:
        scaler = OmicsScaler.fit(train.clip(-clip, clip), GROUPS)
    except OmicsError:
        return
    clipped = OmicsScaler.fit(train, GROUPS, clip=clip)
    for one, other in zip(clipped.transform(train), scaler.transform(train.clip(-clip, clip)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-5)  # the table itself is clipped in float32
    assert clipped.clipped == int((train.astype(np.float64).abs() > clip).sum().sum())


@given(TABLES)
def test_clipping_beyond_all_values_changes_nothing(train):
    same(OmicsScaler.fit(train, GROUPS, clip=1e6).transform(train), OmicsScaler.fit(train, GROUPS).transform(train))


@given(TABLES, st.sampled_from([None, 5.0]))
def test_genes_without_scaling_are_those_of_the_table_clipped_and_filled(train, clip):
    scaler = OmicsScaler.fit(train, GROUPS, clip=clip, scale="none", counts=("B_rnaseq",))
    present = train[train.notna().any(axis=1)]
    cut = present.astype(np.float64).clip(*((None, None) if clip is None else (-clip, clip)))
    filled = cut.fillna(cut.median()).astype(np.float32)
    same(scaler.transform(present), [filled[list(columns)] for columns in GROUPS.values()])
    scaled = OmicsScaler.fit(train, GROUPS, clip=clip)
    assert (scaler.columns, scaler.notes) == (scaled.columns, scaled.notes)


@given(TABLES, st.sampled_from([None, 5.0]), st.sampled_from(["zscore", "none"]))
def test_a_scaler_comes_back_from_json_exactly(train, clip, scale):
    scaler = OmicsScaler.fit(train, GROUPS, clip=clip, scale=scale)
    again = OmicsScaler.from_dict(json.loads(json.dumps(scaler.to_dict(), sort_keys=True, allow_nan=False)))
    assert again == scaler
    assert list(again.groups) == list(GROUPS)
    same(again.transform(train), scaler.transform(train))


@given(TABLES)
def test_a_table_is_left_as_it_was_and_given_in_float32(train):
    before = train.copy()
    scaler = OmicsScaler.fit(train, GROUPS, clip=5.0)
    assert {group.dtype for group in scaler.transform(train)} == {np.dtype(np.float32)}
    pd.testing.assert_frame_equal(train, before)


def test_a_patient_without_genes_is_missing_and_has_no_say():
    train = named([[1, 2, 3, 0, 5], [2, 4, 1, 1, 7], [np.nan] * 5])
    scaler = OmicsScaler.fit(train, GROUPS)
    assert scaler == OmicsScaler.fit(train.iloc[:2], GROUPS)
    for group in scaler.transform(train):
        assert np.isnan(group[2]).all()
        assert np.isfinite(group[:2]).all()
    assert scaler.filled == 0


def test_missing_values_become_the_training_median_and_are_counted():
    train = named([[1, 1, 1, 0, 0], [2, 2, 2, 1, 1], [9, np.nan, 3, 1, np.nan]])
    scaler = OmicsScaler.fit(train, GROUPS)
    new = named([[np.nan, 1.5, 2, 0, 0]])
    assert scaler.median == (2, 2, 0.5, 1.5, 1)  # in the order of the groups
    assert scaler.columns == ("A_rnaseq", "A_cnv", "D", "B_rnaseq", "C_mut")
    assert scaler.filled == 2
    assert scaler.transform(new)[0][0, 0] == pytest.approx((2 - 4) / np.std([1, 2, 9]))
    assert scaler.notes == ("2 missing gene values of training patients were filled with the gene's median.",)


def test_constant_and_unmeasured_columns_and_groups_of_them_are_left_out_with_a_count():
    train = named([[1, 7, np.nan, 0, 1e-9], [2, 7, np.nan, 0, 2e-9]])
    scaler = OmicsScaler.fit(train, GROUPS)
    assert scaler.constant == ("A_cnv", "B_rnaseq", "C_mut")
    assert scaler.columns == ("A_rnaseq", "D")  # small is not constant
    assert scaler.group_sizes == (2, 1)
    assert scaler.emptied == ("third",)
    assert scaler.notes == (
        "3 constant gene columns were left out: A_cnv, B_rnaseq, C_mut.",
        "1 gene groups without a varying column were left out: third.",
    )
    for group in scaler.transform(named([[1, 8, 5, 1, 3e-9]])):
        assert np.isfinite(group).all()


def test_an_outlier_is_tamed_by_clipping_and_told():
    train = named([[0, 0, 0, 0, 36893], [1, 1, 1, 1, 1], [2, 2, 2, 2, -1]])
    scaler = OmicsScaler.fit(train, GROUPS, clip=5.0)
    assert max(group.max() for group in scaler.transform(train)) < 1.5
    assert "1 gene values of training patients were clipped at plus and minus 5." in scaler.notes


def test_further_columns_are_passed_over_and_lacking_ones_named():
    train = named([[1, 2, 3, 0, 5], [2, 4, 1, 1, 7]])
    scaler = OmicsScaler.fit(train, GROUPS)
    same(scaler.transform(train.assign(EXTRA=1.0)), scaler.transform(train))
    with pytest.raises(OmicsError, match="lacks 2 of the 5 columns of training: A_cnv, D. Give a table"):
        scaler.transform(train.drop(columns=["A_cnv", "D"]))


def test_impossible_values_and_options_are_refused():
    train = named([[1, 2, 3, 0, 5], [2, 4, 1, 1, 7]])
    scaler = OmicsScaler.fit(train, GROUPS)
    infinite = named([[1, np.inf, 3, 0, 5], [2, 4, 1, 1, 7]])
    for attempt in (lambda: OmicsScaler.fit(infinite, GROUPS, clip=5.0), lambda: scaler.transform(infinite)):
        with pytest.raises(OmicsError, match="1 infinite values, the first of patient P0 in column 'B_rnaseq'"):
            attempt()
    with pytest.raises(OmicsError, match="No training patient has genes"):
        OmicsScaler.fit(train * np.nan, GROUPS)
    with pytest.raises(OmicsError, match="No training patient has genes"):
        OmicsScaler.fit(train.iloc[:0], GROUPS)
    with pytest.raises(OmicsError, match="All 5 gene columns are constant"):
        OmicsScaler.fit(train.iloc[:1], GROUPS)
    with pytest.raises(OmicsError, match="clipped at plus and minus 0"):
        OmicsScaler.fit(train, GROUPS, clip=0.0)
    with pytest.raises(OmicsError, match="cannot be scaled by 'minmax'. Choose zscore or none"):
        OmicsScaler.fit(train, GROUPS, scale="minmax")
    with pytest.raises(OmicsError, match="stored scaler of genes is incomplete"):
        OmicsScaler.from_dict({"columns": []})


def _logarithms_of(n: int, *, seed: int = 0, genes: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.uniform(5, 11, genes), 1.8, (n, genes))
    return pd.DataFrame(values, index=[f"P{i}" for i in range(n)], columns=[f"G{i}" for i in range(genes)])


def test_genes_of_training_s_scale_are_taken_and_others_refused_by_name():
    training = _logarithms_of(60)
    scaler = OmicsScaler.fit(training, {"all": list(training.columns)})
    new = _logarithms_of(9, seed=1)
    for same in (new, new.iloc[:1], new.mask(new > 9), new * np.nan):
        scaler.need_same_scale(same, "new.csv")
    with pytest.raises(
        OmicsError, match=r"genes of new\.csv are on another scale .* 9 of 9 patients .*They look raw where"
    ):
        scaler.need_same_scale(2**new - 1, "new.csv")
    with pytest.raises(OmicsError, match=r"for 1 of 1 patients \(P0\)"):
        scaler.need_same_scale((2**new - 1).iloc[:1], "new.csv")
    with pytest.raises(OmicsError, match=r"for 9 of 9 patients"):
        scaler.need_same_scale((new - training.mean()) / training.std(), "new.csv")
    mixed = new.copy()
    mixed.loc["P4"] = 2 ** mixed.loc["P4"]
    with pytest.raises(OmicsError, match=r"for 1 of 9 patients \(P4\)"):
        scaler.need_same_scale(mixed, "new.csv")


def test_genes_that_move_together_are_told_and_not_refused():
    training = _logarithms_of(60)
    scaler = OmicsScaler.fit(training, {"all": list(training.columns)})
    new = _logarithms_of(9, seed=0)
    for same in (new, new.iloc[:1], new.mask(new > 9), new * np.nan, new.drop(columns="G0")):
        assert not scaler.apart(same, "new.csv")
    for moved in (new * np.log10(2), new + 5, (new * np.log10(2)).iloc[:1]):
        scaler.need_same_scale(new, "new.csv")
        assert "patients' medians of half of the genes are" in scaler.apart(moved, "new.csv")
    one = new.assign(G3=new["G3"] * 100)
    assert "medians of 1 of 12 genes are 10 SD or more away, most of all G3" in scaler.apart(one, "new.csv")


def test_logarithms_are_refused_where_training_had_raw_values():
    training = 2 ** _logarithms_of(60) - 1
    scaler = OmicsScaler.fit(training, {"all": list(training.columns)})
    scaler.need_same_scale(2 ** _logarithms_of(9, seed=1) - 1, "new.csv")
    with pytest.raises(OmicsError, match="on another scale"):
        scaler.need_same_scale(_logarithms_of(9, seed=1), "new.csv")


def test_one_gene_of_one_patient_is_no_scale():
    training = _logarithms_of(60, genes=1)
    scaler = OmicsScaler.fit(training, {"all": list(training.columns)})
    scaler.need_same_scale(training.iloc[:1] * 3, "new.csv")


def test_columns_in_other_letters_are_told():
    training = _logarithms_of(20)
    scaler = OmicsScaler.fit(training, {"all": list(training.columns)})
    with pytest.raises(OmicsError, match=r"lacks 12 .* They are there in other letters: upper and lower case count"):
        scaler.transform(training.rename(columns=str.lower))


def test_cards_with_versions_of_ensembl_ids_fit_tables_without():
    old = OmicsScaler.fit(
        pd.DataFrame({"ENSG00000000003.15": [1.0, 2, 3]}, index=list("ABC")), {"all": ["ENSG00000000003.15"]}
    )
    scaler = OmicsScaler.from_dict(old.to_dict())
    assert scaler.columns == ("ENSG00000000003",)
