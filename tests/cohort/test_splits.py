"""Drawn folds: laws for any cohort; and the folds of users' files."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.splits import (
    Split,
    SplitSpec,
    account_of_splits,
    check_measured,
    check_splits,
    inner_split,
    make_splits,
)
from prognoscope.core.errors import CohortError, MissingFileError
from prognoscope.core.outcome import Outcome
from tests.cohort.tables import events_in, events_of, parts_of, tiny_cohort

NONE_CHOOSE = {"validation": 0.0}
cohorts = st.fixed_dictionaries(
    {"n": st.integers(40, 120), "seed": st.integers(0, 1000), "event_rate": st.floats(0.3, 0.9), "sites": st.just(12)}
)


def shuffled(cohort: Cohort, seed: int) -> Cohort:
    order = np.random.default_rng(seed).permutation(len(cohort))
    return cohort.take([cohort.patients[i] for i in order])


@given(cohort=cohorts, folds=st.integers(2, 6), seed=st.integers(0, 9))
def test_every_patient_is_tested_once_and_parts_are_disjoint(cohort, folds, seed):
    cohort = tiny_cohort(**cohort)
    splits = make_splits(cohort, SplitSpec(folds=folds, seed=seed))
    assert sorted(p for split in splits for p in split.test) == sorted(cohort.patients)
    for split in splits:
        assert sorted(p for part in parts_of(split) for p in part) == sorted(cohort.patients)
        assert all(list(part) == sorted(part) for part in parts_of(split))


@given(cohort=cohorts, folds=st.integers(2, 6), seed=st.integers(0, 9))
def test_folds_have_equal_sizes_and_equal_events_but_for_one(cohort, folds, seed):
    cohort = tiny_cohort(**cohort)
    splits = make_splits(cohort, SplitSpec(folds=folds, seed=seed))
    sizes = [len(split.test) for split in splits]
    events = [events_in(cohort, split.test) for split in splits]
    assert max(sizes) - min(sizes) <= 1
    assert max(events) - min(events) <= 1


@given(cohort=cohorts, order=st.integers(0, 1000), group=st.sampled_from([None, "site"]))
def test_folds_do_not_depend_on_the_order_of_patients(cohort, order, group):
    cohort = tiny_cohort(**cohort)
    spec = SplitSpec(folds=3, group=group)
    assert make_splits(shuffled(cohort, order), spec) == make_splits(cohort, spec)


@given(cohort=cohorts, order=st.integers(0, 1000), fold=st.integers(0, 4))
def test_the_inner_split_does_not_depend_on_the_order_of_patients(cohort, order, fold):
    cohort = tiny_cohort(**cohort)
    other = shuffled(cohort, order)
    first = inner_split(cohort.patients, cohort.outcome, 0.15, 3, fold=fold)
    assert inner_split(other.patients, other.outcome, 0.15, 3, fold=fold) == first
    assert inner_split(other.patients, cohort.outcome, 0.15, 3, fold=fold) == first


@given(cohort=cohorts, fraction=st.floats(0.1, 0.5))
def test_the_inner_split_has_its_share_of_patients_and_events(cohort, fraction):
    cohort = tiny_cohort(**cohort)
    train, validation = inner_split(cohort.patients, cohort.outcome, fraction)
    assert sorted(train + validation) == sorted(cohort.patients)
    assert abs(len(validation) - fraction * len(cohort)) <= 1
    assert abs(events_in(cohort, validation) - fraction * cohort.outcome.event.sum()) <= 1
    assert events_in(cohort, validation) > 0


def test_the_inner_split_has_an_event_even_where_its_share_has_none():
    cohort = tiny_cohort(40, event_rate=0.05)
    train, validation = inner_split(cohort.patients, cohort.outcome, 0.1)
    assert (events_in(cohort, train), events_in(cohort, validation)) == (1, 1)
    assert len(validation) == 4


def test_another_seed_and_another_fold_give_other_parts():
    cohort = tiny_cohort(60)
    drawn = {make_splits(cohort, SplitSpec(seed=seed)) for seed in range(5)}
    assert len(drawn) == 5
    inner = {inner_split(cohort.patients, cohort.outcome, fold=fold) for fold in range(5)}
    assert len(inner) == 5


def test_strata_of_time_are_spread_evenly():
    cohort = tiny_cohort(200, event_rate=0.5)
    early = set(np.array(cohort.patients)[cohort.outcome.event & (cohort.outcome.time < 25)])
    counts = [len(early & set(split.test)) for split in make_splits(cohort, SplitSpec())]
    assert max(counts) - min(counts) <= 2


def test_subtypes_can_be_spread_evenly():
    base = tiny_cohort(100)
    cohort = Cohort("c", base.outcome, subtype=dict.fromkeys(base.patients[:10], "rare"))
    splits = make_splits(cohort, SplitSpec(stratify=("subtype",)))
    assert [sum(p in cohort.subtype for p in split.test) for split in splits] == [2] * 5


@given(cohort=cohorts, folds=st.integers(2, 4), seed=st.integers(0, 9))
def test_no_site_is_in_two_folds(cohort, folds, seed):
    cohort = tiny_cohort(**cohort)
    for split in make_splits(cohort, SplitSpec(folds=folds, group="site", seed=seed, **NONE_CHOOSE)):
        sites = [{cohort.site[p] for p in part} for part in (split.train, split.test)]
        assert not sites[0] & sites[1]
        assert split.validation == ()


def test_sites_are_balanced_as_far_as_possible():
    base = tiny_cohort(100, event_rate=0.4)
    event = events_of(base)
    ordered = sorted(base.patients, key=lambda p: event[p])
    cohort = Cohort(
        "c", base.outcome, site={p: f"S{i % 20}" for i, p in enumerate(ordered)}
    )  # 3 censored, 2 events each
    splits = make_splits(cohort, SplitSpec(group="site"))
    assert [len(split.test) for split in splits] == [20] * 5
    assert [events_in(cohort, split.test) for split in splits] == [8] * 5


def test_grouping_needs_known_sites_and_enough_of_them():
    with pytest.raises(CohortError, match="The site of 40 patients is unknown: P0"):
        make_splits(tiny_cohort(40), SplitSpec(group="site"))
    with pytest.raises(CohortError, match="sites cannot be divided into 5 folds"):
        make_splits(tiny_cohort(40, sites=3), SplitSpec(group="site"))


def test_shares_of_a_three_way_split_are_those_of_mcti():
    splits = make_splits(tiny_cohort(200), SplitSpec(folds=4, validation=0.2))
    assert [tuple(len(part) for part in parts_of(split)) for split in splits] == [(120, 30, 50)] * 4


def test_too_few_events_name_the_fold_without_any():
    with pytest.raises(CohortError, match="The test part of fold 3 has 8 patients and no event"):
        make_splits(tiny_cohort(40, event_rate=0.075), SplitSpec(**NONE_CHOOSE))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds must be at least 2, not 1"),
        ({"validation": 1.0}, "validation must be less than 0.5, not 1.0"),
        ({"files": ("a_{fold}.csv",), "table": "b.csv"}, "not both"),
    ],
)
def test_impossible_settings_are_refused(options, message):
    with pytest.raises(CohortError, match=message):
        SplitSpec(**options)


def test_more_folds_than_patients_are_refused():
    with pytest.raises(CohortError, match="4 patients cannot be divided into 5 folds"):
        make_splits(tiny_cohort(4, event_rate=1.0), SplitSpec())


class TestFiles:
    """Folds that somebody else drew."""

    outcome = Outcome(
        tuple("ABCDEFGH"), np.arange(1.0, 9.0), np.array([True, True, True, True, True, True, False, False])
    )
    cohort = Cohort("c", outcome)

    def write(self, folder, *folds: dict[str, str]) -> str:
        for k, parts in enumerate(folds):
            columns = {name: pd.Series(list(ids), dtype=object) for name, ids in parts.items()}
            pd.DataFrame(columns).to_csv(folder / f"splits_{k}.csv")
        return str(folder / "splits_{fold}.csv")

    def read(self, pattern: str, **options):
        return make_splits(self.cohort, SplitSpec(files=(pattern,), **{**NONE_CHOOSE, **options}))

    def test_train_and_val_are_read_without_the_padding(self, tmp_path):
        pattern = self.write(tmp_path, {"train": "ABCDE", "val": "FGH"}, {"train": "ABFGH", "val": "CDE"})
        (tmp_path / "splits_0_bool.csv").write_text("not one of them")
        assert self.read(pattern) == (
            Split(0, tuple("ABCDE"), (), tuple("FGH")),
            Split(1, tuple("ABFGH"), (), tuple("CDE")),
        )
        chosen = self.read(pattern, validation=0.4)
        assert [len(split.validation) for split in chosen] == [2, 2]
        assert chosen[0].test == tuple("FGH")

    def test_a_test_column_makes_val_the_part_that_chooses(self, tmp_path):
        pattern = self.write(
            tmp_path, {"train": "ABC", "val": "DE", "test": "FGH"}, {"train": "FGH", "val": "AB", "test": "CDE"}
        )
        first = self.read(pattern, validation=0.15)[0]
        assert parts_of(first) == (tuple("ABC"), tuple("DE"), tuple("FGH"))

    def test_unknown_patients_are_named(self, tmp_path):
        pattern = self.write(tmp_path, {"train": "ABCDX", "val": "FGH"}, {"train": "FGH", "val": "ABCDY"})
        with pytest.raises(CohortError, match=r"splits_0.csv names 1 patients who are not in the cohort: X"):
            self.read(pattern)

    def test_patients_whom_the_account_has_dropped_are_no_error(self, tmp_path):
        pattern = self.write(tmp_path, {"train": "ABCDE", "val": "FGH"}, {"train": "FGH", "val": "ABCDE"})
        left = self.cohort.without({"E": ""}, "with genes")
        splits = make_splits(left, SplitSpec(files=(pattern,), **NONE_CHOOSE))
        assert splits[0].train == tuple("ABCD")

    def test_who_is_never_tested_is_told(self, tmp_path):
        pattern = self.write(tmp_path, {"train": "BCDH", "val": "F"}, {"train": "F", "val": "BCD"})
        table = account_of_splits(self.cohort, self.read(pattern)).to_table()
        assert table.iloc[0].to_dict() == {
            "step": "tested in one of 2 folds",
            "patients": 4,
            "events": 4,
            "dropped": 4,
            "who": "A (in no fold); E (in no fold); G (in no fold); H (only in training parts)",
        }
        assert table["step"].iloc[1] == "fold 0: trained on 4, chosen on 0, tested on"
        assert table[["patients", "events"]].iloc[1].tolist() == [1, 1]

    def test_overlaps_are_refused(self, tmp_path):
        pattern = self.write(tmp_path, {"train": "ABCDF", "val": "FGH"}, {"train": "FGH", "val": "ABCDE"})
        with pytest.raises(CohortError, match="Fold 0 has 1 patients in train and test: F"):
            self.read(pattern)
        pattern = self.write(tmp_path, {"train": "ABCDE", "val": "FGH"}, {"train": "BCDEGH", "val": "AF"})
        with pytest.raises(CohortError, match="1 patients are tested in fold 0 and in fold 1: F"):
            self.read(pattern)
        pattern = self.write(tmp_path, {"train": "ABCDE", "val": "FGHF"}, {"train": "FGH", "val": "ABCDE"})
        with pytest.raises(CohortError, match="names patients twice in test: F"):
            self.read(pattern)

    def test_a_fold_without_events_is_named(self, tmp_path):
        pattern = self.write(tmp_path, {"train": "ABCDEF", "val": "GH"}, {"train": "GHEF", "val": "ABCD"})
        with pytest.raises(CohortError, match="The test part of fold 0 has 2 patients and no event"):
            self.read(pattern)

    def test_missing_files_and_columns_are_named(self, tmp_path):
        with pytest.raises(MissingFileError, match="There is no split file"):
            self.read(str(tmp_path / "splits_{fold}.csv"))
        pattern = self.write(tmp_path, *[{"train": "ABCDE", "val": "FGH"}] * 4)
        (tmp_path / "splits_2.csv").unlink()
        with pytest.raises(MissingFileError, match="fold 2 is missing"):
            self.read(pattern)
        with pytest.raises(MissingFileError, match=r"Name the files of all folds with \{fold\}"):
            self.read(str(tmp_path / "splits.csv"))
        (tmp_path / "splits_2.csv").write_text("training,held_out\nA,B\n")
        with pytest.raises(CohortError, match="it needs train and val"):
            self.read(pattern)

    def test_several_patterns_are_put_together(self, tmp_path):
        one, two = tmp_path / "one", tmp_path / "two"
        one.mkdir(), two.mkdir()
        patterns = (
            self.write(one, {"train": "ABC", "val": "D"}, {"train": "D", "val": "ABC"}),
            self.write(two, {"train": "EG", "val": "FH"}, {"train": "FH", "val": "EG"}),
        )
        splits = make_splits(self.cohort, SplitSpec(files=patterns, **NONE_CHOOSE))
        assert [split.test for split in splits] == [tuple("DFH"), tuple("ABCEG")]
        self.write(two, {}, {}, {"train": "EG", "val": "FH"})
        with pytest.raises(CohortError, match="Give the same folds of both"):
            make_splits(self.cohort, SplitSpec(files=patterns))

    def test_a_table_says_where_each_patient_is_tested(self, tmp_path):
        path = tmp_path / "folds.csv"
        path.write_text("case_id,fold\n" + "".join(f"{p},{k}\n" for p, k in zip("ABCDEFGH", "12121212", strict=True)))
        splits = make_splits(self.cohort, SplitSpec(table=str(path), **NONE_CHOOSE))
        assert splits == (Split(1, tuple("BDFH"), (), tuple("ACEG")), Split(2, tuple("ACEG"), (), tuple("BDFH")))
        path.write_text("case_id,fold\nA,1\nA,2\n")
        with pytest.raises(CohortError, match="has A in the folds 1 and 2"):
            make_splits(self.cohort, SplitSpec(table=str(path)))

    def test_patho_bench_tables_have_a_column_a_fold(self, tmp_path):
        rows = ["case_id\tslide_id\tOS_event\tfold_0\tfold_1"]
        rows += [f"{p}\t{p}{s}\t1\t{'test' if p in 'FGH' else 'train'}\t{'train' if p in 'FGH' else 'test'}"
                 for p in "ABCDEFGH" for s in "xy"]  # fmt: skip
        path = tmp_path / "k=all.tsv"
        path.write_text("\n".join(rows) + "\n")
        splits = make_splits(self.cohort, SplitSpec(table=str(path), **NONE_CHOOSE))
        assert [split.test for split in splits] == [tuple("FGH"), tuple("ABCDE")]
        path.write_text(path.read_text().replace("Ax\tAx", "A\tAx").replace("Ay\t1\ttrain", "Ay\t1\ttest"))
        with pytest.raises(CohortError, match="fold_0 has slides of A in two parts"):
            make_splits(self.cohort, SplitSpec(table=str(path)))
        path.write_text(rows[0] + "\nA\tAx\t1\tlater\ttest\n")
        with pytest.raises(CohortError, match="fold_0 in row 2 is 'later'"):
            make_splits(self.cohort, SplitSpec(table=str(path)))


def test_a_split_of_strangers_is_refused():
    cohort = tiny_cohort(10)
    with pytest.raises(CohortError, match="Fold 0 has 1 unknown patients: X"):
        check_splits((Split(0, ("X",), (), ("P001",)),), cohort.outcome)


@pytest.mark.parametrize(
    ("time", "event", "is_measured"),
    [
        ([1.0, 2.0], [True, False], True),
        ([2.0, 1.0], [True, False], False),  # the other was lost before
        ([1.0, 1.0], [True, False], True),  # lost at the same time, so seen to outlive
        ([1.0, 1.0], [True, True], False),
        ([3.0], [True], False),
    ],
)
def test_a_test_part_needs_two_patients_of_whom_one_is_known_to_live_longer(time, event, is_measured):
    patients = tuple("abc"[: len(time)])
    outcome = Outcome((*patients, "t"), np.array([*time, 9.0]), np.array([*event, True]))
    splits = [Split(0, ("t",), (), patients)]
    if is_measured:
        check_measured(splits, outcome)
    else:
        with pytest.raises(CohortError, match=rf"The test part of fold 0 \({len(time)} patients\) has no C-index"):
            check_measured(splits, outcome)


def test_a_fold_of_one_training_patient_wants_more_patients():
    with pytest.raises(CohortError, match="Fold 0 has 1 training patient, of whom none can choose. Give more patients"):
        make_splits(tiny_cohort(2, event_rate=1.0), SplitSpec(folds=2))
