"""Split files as others wrote them: marked rows, slides instead of patients, one split, names of nobody here."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.split_files import read_fold_table, read_split_files
from prognoscope.cohort.splits import Split, SplitSpec, make_splits
from prognoscope.core.errors import CohortError, MissingFileError, PrognoscopeError
from tests.cohort.tables import tiny_cohort

texts = st.text(st.sampled_from('P12,;\t|"#\n\r \0truefalse_'), max_size=80)


def cohort(n: int = 6) -> Cohort:
    whole = tiny_cohort(n, event_rate=1.0)
    return tiny_cohort(n, event_rate=1.0, slides={p: (f"{p}-DX1", f"{p}-DX2") for p in whole.patients})


def splits(folder, *files: str, pattern: str = "splits_{fold}.csv", **options) -> tuple[Split, ...]:
    for fold, text in enumerate(files):
        (folder / pattern.replace("{fold}", str(fold))).write_text(text)
    return make_splits(cohort(), SplitSpec(files=(str(folder / pattern),), **{"validation": 0.0, **options}))


@pytest.mark.parametrize("words", [("True", "False"), ("TRUE", "FALSE"), ("1", "0"), ("1.0", "0.0")])
@pytest.mark.parametrize("name", ["", "slide_id", "patient"])
def test_clams_marked_splits_say_what_its_lists_say(tmp_path, words, name):
    lists = splits(tmp_path, ",train,val,test\n0,P000,P003,P004\n1,P001,,P005\n2,P002,,\n")
    yes, no = words
    marks = {"train": (0, 1, 2), "val": (3,), "test": (4, 5)}
    rows = [",".join([f"P00{i}", *(yes if i in marks[part] else no for part in marks)]) for i in range(6)]
    text = f"{name},train,val,test\n" + "\n".join(rows) + "\n"
    assert (
        splits(tmp_path, text, pattern="splits_{fold}_bool.csv")
        == lists
        == (Split(0, ("P000", "P001", "P002"), ("P003",), ("P004", "P005")),)
    )


@pytest.mark.parametrize("end", ["-DX1", "-DX1.svs", "-DX1.9F3A.h5"])
def test_slides_stand_for_their_patients(tmp_path, end):
    text = f"train,val,test\nP000{end},P003{end},P004{end}\nP000-DX2,,\nP001{end},,\n"
    (split,) = splits(tmp_path, text)
    assert split == Split(0, ("P000", "P001"), ("P003",), ("P004",))


def test_slides_of_a_patient_in_two_parts_are_refused(tmp_path):
    with pytest.raises(CohortError, match=r"splits_0\.csv has slides of 1 patients in two parts of fold 0: P000"):
        splits(tmp_path, "train,val,test\nP000-DX1,P003-DX1,P000-DX2\n")


def test_a_single_split_is_one_fold_unless_it_is_one_of_several(tmp_path):
    text = "train,test\nP000,P003\nP001,P004\n"
    (split,) = splits(tmp_path, text, pattern="split.csv")
    assert split == Split(0, ("P000", "P001"), (), ("P003", "P004"))
    splits(tmp_path, text, text.replace("P003", "P005").replace("P004", "P002"))
    with pytest.raises(
        CohortError, match=r"is one of 2 split files: splits_0\.csv, splits_1\.csv\. Name them as splits_\{"
    ):
        make_splits(cohort(), SplitSpec(files=(str(tmp_path / "splits_0.csv"),)))


def test_names_of_nobody_are_refused_or_passed_over_as_asked(tmp_path):
    text = "train,test\nP000,P003\nP001,P999\n"
    with pytest.raises(CohortError, match=r"1 patients who are not in the cohort: P999\..*with splits\.absent: pass"):
        splits(tmp_path, text)
    assert splits(tmp_path, text, absent="pass") == (Split(0, ("P000", "P001"), (), ("P003",)),)


def test_numbers_of_shorter_columns_are_whole_and_zeros_at_the_beginning_count(tmp_path):
    (tmp_path / "s_0.csv").write_text(",train,test\n0,007,7.0\n1,8,\n")
    (fold,) = read_split_files([str(tmp_path / "s_{fold}.csv")]).values()
    assert fold.parts == (("007", "8"), (), ("7",))


def test_marks_of_nobody_are_refused(tmp_path):
    with pytest.raises(CohortError, match=r"marks rows as true or false, but does not say whose they are"):
        splits(tmp_path, "train,val,test\nTrue,False,False\nFalse,True,True\n")


@settings(max_examples=200)
@given(
    content=st.one_of(st.binary(max_size=80), texts.map(str.encode), texts.map(lambda t: b"train,val\n" + t.encode()))
)
def test_any_bytes_are_splits_or_one_sentence(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    (folder / "splits_0.csv").write_bytes(content)
    for read, name in (
        (read_split_files, [str(folder / "splits_{fold}.csv")]),
        (read_fold_table, folder / "splits_0.csv"),
    ):
        try:
            read(name)
        except PrognoscopeError as error:
            assert "splits_0.csv" in str(error)


@pytest.mark.parametrize(
    "names", [("1", "\u00b2"), ("1", "9" * 5000), ("a", "b")], ids=["a square", "many digits", "words"]
)
def test_folds_that_are_no_plain_numbers_are_counted(tmp_path, names):
    path = tmp_path / "folds.csv"
    path.write_text(f"patient_id,fold\nA,{names[0]}\nB,{names[1]}\n", encoding="utf-8")
    folds = read_fold_table(path)
    assert [parts.parts[2] for parts in folds.values()] == [("A",), ("B",)]
    assert list(folds) == [0, 1]


def test_a_column_of_a_fold_with_too_many_digits_is_no_fold(tmp_path):
    path = tmp_path / "folds.csv"
    path.write_text(f"patient_id,fold_{'9' * 5000}\nA,train\n")
    with pytest.raises(CohortError, match="no column for the fold"):
        read_fold_table(path)


def test_folds_of_one_number_are_refused_not_lost(tmp_path):
    path = tmp_path / "folds.csv"
    pd.DataFrame({"patient_id": ["A", "B", "C"], "fold": ["1", "01", "2"]}).to_parquet(path)
    with pytest.raises(CohortError, match=r"folds\.csv has folds of one number: 1, 01\. Leave one of each"):
        read_fold_table(path)
    path.write_text("patient_id,fold_1,fold_01\nA,train,test\nB,test,train\n")
    with pytest.raises(CohortError, match=r"folds\.csv has columns of one number: fold_1, fold_01\."):
        read_fold_table(path)
    for name in ("s_1.csv", "s_01.csv"):
        (tmp_path / name).write_text("train,test\nA,B\n")
    with pytest.raises(CohortError, match="has split files of one number: .*s_01.csv, .*s_1.csv"):
        read_split_files([str(tmp_path / "s_{fold}.csv")])


def test_split_files_that_are_far_apart_take_no_memory(tmp_path):
    for fold in (0, 999_999_999):
        (tmp_path / f"s_{fold}.csv").write_text("train,test\nA,B\n")
    with pytest.raises(MissingFileError, match="fold 1 and 999999997 more is missing"):
        read_split_files([str(tmp_path / "s_{fold}.csv")])
