"""Tables of a run: written and read to the last digit and letter, and what cannot be is named."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import InputError, MissingFileError
from prognoscope.runs import tables
from prognoscope.runs.tables import HISTORY, PREDICTIONS, SPLITS, SURGERY_RISKS, TRIALS, Table, numbered_columns

ALL = {name: value for name, value in vars(tables).items() if isinstance(value, Table)}
VALUES = {str: ["NA", "007", "", "a, b"], int: [0, -3, 2**40, 7], bool: [True, False, True, True]}
VALUES[float] = [0.1 + 0.2, np.nan, -1e-300, 12.0]


def filled(table: Table) -> pd.DataFrame:
    columns = {**table.columns, **table.optional} | {f"{stem}11": kind for stem, kind in table.numbered.items()}
    columns |= {"something": table.others} if table.others else {}
    return pd.DataFrame({name: VALUES[kind] for name, kind in columns.items()})


@pytest.mark.parametrize("name", ALL)
def test_a_table_that_was_written_is_read_as_it_was(name, tmp_path):
    table = filled(ALL[name])
    ALL[name].write(tmp_path / "table.csv", table)
    pd.testing.assert_frame_equal(ALL[name].read(tmp_path / "table.csv"), table, check_exact=True)
    assert list(ALL[name].empty()) == list(ALL[name].columns) and len(ALL[name].empty()) == 0


@given(risk=st.lists(st.floats(allow_nan=False), min_size=1, max_size=5))
def test_risks_are_read_to_the_last_digit(risk, tmp_path_factory):
    path = tmp_path_factory.mktemp("risks") / "surgery.csv"
    SURGERY_RISKS.write(path, pd.DataFrame({"patient_id": list(map(str, range(len(risk)))), "bags_0": risk}))
    assert SURGERY_RISKS.read(path)["bags_0"].tolist() == risk


def test_truths_are_ones_and_zeros_and_missing_numbers_empty(tmp_path):
    HISTORY.write(
        tmp_path / "h.csv",
        pd.DataFrame({"epoch": [0], "learning_rate": [0.1], "train_loss": [np.nan], "chosen": [True]}),
    )
    assert (tmp_path / "h.csv").read_text() == "epoch,learning_rate,train_loss,chosen\n0,0.1,,1\n"


WRONG = {
    "patient_id,fold\n": "has no column part. Remove it and run the study again",
    "patient_id,fold,part\nA,one,test\n": "column fold, holds something that is not a whole number",
    "patient_id,fold,part\nA,1.5,test\n": "column fold, holds something that is not a whole number",
    "": "is not a CSV table",
}


@pytest.mark.parametrize("content", WRONG)
def test_a_file_that_is_no_such_table_is_named(content, tmp_path):
    (tmp_path / "splits.csv").write_text(content)
    with pytest.raises(InputError, match=f"splits.csv.* {WRONG[content]}"):
        SPLITS.read(tmp_path / "splits.csv")


def test_an_event_that_is_neither_and_a_risk_that_is_no_number_are_named(tmp_path):
    for row, words in (
        ("A,0,high,1,1,0.5", "risk, holds something that is not a number"),
        ("A,0,1,1,2,0.5", "event, holds what is neither 0 nor 1 in 1 rows: 2"),
    ):
        (tmp_path / "predictions.csv").write_text(f"patient_id,fold,risk,time,event,S_0\n{row}\n")
        with pytest.raises(InputError, match=f"column {words}"):
            PREDICTIONS.read(tmp_path / "predictions.csv")


def test_a_missing_file_says_which_table_it_is(tmp_path):
    with pytest.raises(MissingFileError, match="The table of trials .* does not exist. Name a folder that"):
        TRIALS.read(tmp_path / "search.csv")


def test_a_column_that_a_table_does_not_have_is_not_written_and_not_read(tmp_path):
    table = filled(SPLITS)
    with pytest.raises(ValueError, match="odd"):
        SPLITS.write(tmp_path / "splits.csv", table.assign(strange=1))
    with pytest.raises(ValueError, match="part"):
        SPLITS.write(tmp_path / "splits.csv", table.drop(columns="part"))
    table.assign(strange=1).to_csv(tmp_path / "splits.csv", index=False)
    assert list(SPLITS.read(tmp_path / "splits.csv")) == list(SPLITS.columns)


def test_numbered_columns_are_in_the_order_of_their_numbers():
    table = pd.DataFrame(columns=["S_10", "S_2", "S_x", "S_", "subtype_1", "S_0"])
    assert numbered_columns(table, "S_") == ["S_0", "S_2", "S_10"]
