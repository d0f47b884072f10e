"""What is learned from training patients, and nothing from others; bins as published."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.covariates import CovariateEncoder
from prognoscope.cohort.preparation import Preparation
from prognoscope.core.errors import CohortError, OmicsError
from prognoscope.core.files import read_json, write_json
from prognoscope.core.outcome import Outcome, TimeBins
from prognoscope.omics.tables import OmicsTable
from tests.cohort.tables import tcga_cohort, tiny_cohort
from tests.conftest import GOLDEN


def full_cohort(n: int = 40) -> Cohort:
    base = tiny_cohort(n)
    rng = np.random.default_rng(1)
    index = list(base.patients)
    genes = pd.DataFrame(
        {"A_rnaseq": rng.normal(size=n), "B_rnaseq": rng.normal(size=n), "C_cnv": rng.integers(-2, 3, n)},
        index=index,
        dtype=np.float32,
    )
    covariates = pd.DataFrame(
        {"age": rng.integers(40, 80, n).astype(float), "stage": rng.choice(["I", "II", "III"], n)}, index=index
    )
    covariates.loc[index[3], "age"] = np.nan
    return Cohort(
        "full",
        base.outcome,
        omics=OmicsTable(genes.drop(index=index[5]), ()),
        covariates=covariates,
        subtype={p: "0" if i % 2 else "1" for i, p in enumerate(index) if i != 7},
    )


def same(a, b):
    assert a.patients == b.patients
    np.testing.assert_array_equal(a.bin, b.bin)
    np.testing.assert_array_equal(a.clinical, b.clinical)
    np.testing.assert_array_equal(a.subtype, b.subtype)
    for one, other in zip(a.omics, b.omics, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_prepared_patient_has_a_row_in_everything_and_gaps_are_marked():
    cohort = full_cohort()
    preparation = Preparation.fit(cohort, cohort.patients[:30])
    prepared = preparation.prepare(cohort)
    assert prepared.patients == cohort.patients
    assert [group.shape for group in prepared.omics] == [(40, size) for size in preparation.group_sizes] == [(40, 3)]
    assert np.isnan(prepared.omics[0][5]).all() and np.isfinite(np.delete(prepared.omics[0], 5, axis=0)).all()
    assert prepared.clinical.shape == (40, preparation.n_clinical) == (40, 4)
    assert np.isfinite(prepared.clinical).all() and prepared.clinical.dtype == np.float32
    assert preparation.subtypes == ("0", "1")
    assert prepared.subtype[:8].tolist() == [1, 0, 1, 0, 1, 0, 1, -1]
    np.testing.assert_array_equal(prepared.bin, preparation.bins.label(cohort.outcome.time))


def test_test_patients_teach_the_preparation_nothing():
    cohort = full_cohort()
    train = cohort.patients[:30]
    values = cohort.omics.values.copy()
    values.iloc[30:] = 1e6
    covariates = cohort.covariates.copy()
    covariates.loc[list(cohort.patients[30:]), "age"] = 1e6
    covariates.loc[cohort.patients[-1], "stage"] = "IV"
    time = cohort.outcome.time.copy()
    time[30:] *= 7
    other = Cohort(
        "other",
        Outcome(cohort.patients, time, cohort.outcome.event),
        omics=OmicsTable(values, ()),
        covariates=covariates,
        subtype=cohort.subtype,
    )
    one, two = Preparation.fit(cohort, train), Preparation.fit(other, train)
    assert one.to_dict() == two.to_dict()
    assert one.to_dict() == Preparation.fit(cohort.take(train), train).to_dict()
    published = [Preparation.fit(c, train, bins_from="cohort").bins.edges for c in (cohort, other)]
    assert not np.array_equal(*published)


@pytest.mark.parametrize("bins_from", ["train", "cohort"])
def test_a_preparation_comes_back_from_json_exactly(bins_from):
    cohort = full_cohort()
    preparation = Preparation.fit(cohort, cohort.patients[:30], bins_from=bins_from)
    again = Preparation.from_dict(json.loads(json.dumps(preparation.to_dict(), allow_nan=False)))
    np.testing.assert_array_equal(again.bins.edges, preparation.bins.edges)
    same(again.prepare(cohort), preparation.prepare(cohort))
    assert again.to_dict() == preparation.to_dict()


def test_genes_can_be_left_as_the_table_has_them():
    cohort = full_cohort()
    preparation = Preparation.fit(cohort, cohort.patients[:30], scale="none")
    again = Preparation.from_dict(json.loads(json.dumps(preparation.to_dict(), allow_nan=False)))
    known = [patient for patient in cohort.patients if patient in cohort.omics.values.index]
    np.testing.assert_array_equal(again.prepare(cohort, known).omics[0], cohort.omics.values.loc[known])


def test_the_order_of_gene_groups_survives_a_file_with_sorted_keys(tmp_path):
    cohort = full_cohort()
    preparation = Preparation.fit(cohort, cohort.patients, groups={"Z": ("A", "B"), "M": ("C",), "A": ("B",)})
    assert preparation.group_sizes == (2, 1, 1)
    write_json(tmp_path / "preparation.json", preparation.to_dict())
    again = Preparation.from_dict(read_json(tmp_path / "preparation.json", "The preparation"))
    same(again.prepare(cohort), preparation.prepare(cohort))


def test_patients_prepared_alone_are_prepared_alike():
    cohort = full_cohort()
    preparation = Preparation.fit(cohort, cohort.patients[:30])
    chosen = [cohort.patients[i] for i in (35, 5, 7)]
    same(preparation.prepare(cohort, chosen), preparation.prepare(cohort.take(chosen)))


def test_new_patients_without_genes_get_gaps_and_without_covariates_an_error():
    cohort = full_cohort()
    preparation = Preparation.fit(cohort, cohort.patients)
    without_genes = Cohort("new", cohort.outcome, covariates=cohort.covariates)
    prepared = preparation.prepare(without_genes)
    assert np.isnan(prepared.omics[0]).all() and prepared.subtype.tolist() == [-1] * 40
    with pytest.raises(CohortError, match="The cohort new has no covariates, but training had age, stage=I"):
        preparation.prepare(Cohort("new", cohort.outcome, omics=cohort.omics))
    fewer = Cohort("new", cohort.outcome, omics=cohort.omics, covariates=cohort.covariates[["stage"]])
    with pytest.raises(CohortError, match="The covariates age of training are missing"):
        preparation.prepare(fewer)


def test_a_cohort_with_nothing_but_outcomes_can_be_prepared():
    cohort = tiny_cohort()
    preparation = Preparation.fit(cohort, cohort.patients)
    prepared = preparation.prepare(cohort)
    assert (prepared.omics, prepared.clinical, prepared.subtype) == ((), None, None)
    assert (preparation.group_sizes, preparation.n_clinical, preparation.notes) == ((), 0, ())
    assert preparation.gene_groups == {}
    again = Preparation.from_dict(json.loads(json.dumps(preparation.to_dict())))
    assert again.to_dict() == preparation.to_dict() and again.prepare(cohort).omics == ()


USES = ("omics", "clinical", "subtype")


@given(st.sets(st.sampled_from(USES)))
def test_what_a_model_does_not_use_is_neither_kept_nor_asked_for(uses):
    cohort = full_cohort()
    whole = Preparation.fit(cohort, cohort.patients)
    limited = whole.limited(uses)
    assert (limited.omics, limited.covariates, limited.subtypes) == (
        whole.omics if "omics" in uses else None,
        whole.covariates if "clinical" in uses else None,
        whole.subtypes if "subtype" in uses else (),
    )
    given, made = whole.prepare(cohort), limited.prepare(cohort)
    assert made.bin.tolist() == given.bin.tolist()
    for use, one, other in zip(USES, ((), None, None), (given.omics, given.clinical, given.subtype), strict=True):
        found = {"omics": made.omics, "clinical": made.clinical, "subtype": made.subtype}[use]
        np.testing.assert_equal(found, other if use in uses else one)


def test_genes_of_no_group_are_refused_by_the_name_of_their_table():
    cohort = replace(full_cohort(), groups={"first": ("X", "Y")})
    cohort = replace(cohort, omics=replace(cohort.omics, source="genes.csv"))
    with pytest.raises(OmicsError, match=r"None of the 3 gene columns of genes.csv \(A_rnaseq, "):
        Preparation.fit(cohort, cohort.patients)


def test_a_broken_store_is_refused():
    with pytest.raises(CohortError, match="The stored preparation is incomplete"):
        Preparation.from_dict({"bins": [None, 1.0, None]})


def test_classes_are_sorted_as_numbers_where_they_are_numbers():
    base = tiny_cohort(40)
    cohort = Cohort("c", base.outcome, subtype={p: str(i % 11) for i, p in enumerate(base.patients)})
    assert Preparation.fit(cohort, cohort.patients).subtypes == tuple(str(i) for i in range(11))
    labels = ("-1", "2", "10", "--1", "A", "B", "²")
    cohort = replace(cohort, subtype={p: labels[i % 7] for i, p in enumerate(base.patients)})
    assert Preparation.fit(cohort, cohort.patients).subtypes == labels


class TestCovariates:
    """Numbers and categories."""

    @given(st.lists(st.integers(-50, 150), min_size=2, max_size=30).filter(lambda v: len(set(v)) > 1))
    def test_numbers_have_mean_0_and_deviation_1_in_training(self, values):
        table = pd.DataFrame({"age": np.array(values, dtype=float)})
        encoded = CovariateEncoder.fit(table).transform(table)
        assert encoded.mean() == pytest.approx(0, abs=1e-4)
        assert encoded.std() == pytest.approx(1, abs=1e-4)

    def test_a_gap_is_filled_with_the_training_median_and_counted(self):
        table = pd.DataFrame({"age": [50, 60, np.nan, 90.0]}, index=list("ABCD"))
        encoder = CovariateEncoder.fit(table)
        encoded = encoder.transform(table)
        assert encoded[2] == encoded[1]
        assert encoder.notes == ("age of 1 training patients was missing and filled with the median 60.",)

    def test_categories_are_ones_and_what_was_never_seen_is_zero(self):
        encoder = CovariateEncoder.fit(pd.DataFrame({"stage": ["II", "I", None, "II"]}))
        assert encoder.names == ("stage=I", "stage=II")
        new = pd.DataFrame({"stage": ["I", "II", "IV", None]})
        assert encoder.transform(new).tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]

    def test_categories_that_look_like_numbers_are_found_again(self):
        encoder = CovariateEncoder.fit(pd.DataFrame({"grade": ["1", "2", "X", "2"]}))
        assert encoder.transform(pd.DataFrame({"grade": [1.0, 2.0]})).tolist() == [[1, 0, 0], [0, 1, 0]]

    def test_constant_and_empty_columns_are_left_out_and_named(self):
        table = pd.DataFrame({"is_female": [1.0, 1.0], "grade": [np.nan, np.nan], "age": [1.0, 2.0]})
        encoder = CovariateEncoder.fit(table)
        assert encoder.names == ("age",)
        assert encoder.left_out == ("is_female", "grade")
        assert len(encoder.notes) == 2

    def test_text_where_training_had_numbers_is_refused(self):
        encoder = CovariateEncoder.fit(pd.DataFrame({"age": [50.0, 60.0]}))
        with pytest.raises(CohortError, match="'age' was a number in training, but is 'old' for B"):
            encoder.transform(pd.DataFrame({"age": [50, "old"]}, index=["A", "B"]))

    def test_a_broken_store_is_refused(self):
        with pytest.raises(CohortError, match="covariates is incomplete"):
            CovariateEncoder.from_dict({"columns": [{"name": "age"}]})


@pytest.mark.parametrize("cancer", ["blca", "ucec"])
def test_published_bins_come_out(data_pack, cancer):
    cohort = tcga_cohort(data_pack, f"sig/{cancer}")
    published = pd.read_csv(data_pack / "tcga_predictions" / f"{cancer}_patients.csv", index_col="patient_id")
    preparation = Preparation.fit(cohort, cohort.patients[:200], bins_from="cohort")
    prepared = preparation.prepare(cohort)
    assert prepared.bin.tolist() == published["bin"].loc[list(cohort.patients)].tolist()
    slides = pd.Series({patient: len(bag) for patient, bag in cohort.slides.items()})
    assert slides.tolist() == published["n_rows"].loc[slides.index].tolist()


def golden_bins():
    for path in sorted(GOLDEN.glob("loss_time_bins*.npz")):
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        for key in arrays:
            if key.startswith("in:") and key.endswith("_time"):
                name = key[3 : -len("_time")]
                yield pytest.param(arrays, name, id=f"{path.stem}-{name}")


@pytest.mark.parametrize(("arrays", "name"), list(golden_bins()))
def test_golden_bins_come_out(arrays, name):
    time, event = arrays[f"in:{name}_time"], arrays[f"in:{name}_censorship"] == 0
    edges = arrays[f"out:{name}_edges"]
    bins = TimeBins.fit(time, event, n_bins=len(edges) - 1, closed_ends=True)
    np.testing.assert_allclose(bins.edges, edges, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(bins.label(time), arrays[f"out:{name}_label"])
    if (time > 0).all():
        patients = tuple(f"P{i}" for i in range(len(time)))
        cohort = Cohort(name, Outcome(patients, time, event))
        preparation = Preparation.fit(cohort, patients, n_bins=len(edges) - 1, bins_from="cohort")
        np.testing.assert_array_equal(preparation.prepare(cohort).bin, arrays[f"out:{name}_label"])
