"""Whatever a file holds, reading it as a table ends soon, with a table or with one sentence that names the file."""

import csv
import gzip
import io
import zipfile

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from prognoscope.core import unpacking
from prognoscope.core.delimited import MOST_COLUMNS
from prognoscope.core.errors import InputError, PrognoscopeError
from prognoscope.core.tables import read_table
from tests.core.workbooks import workbook

ZEROS = b"patient_id,x\n" + b"A,0\n" * 400_000
texts = st.text(st.sampled_from('aB1,;\t|"#\n\r =.-\0\x85ä'), max_size=80)
contents = st.one_of(
    st.binary(max_size=200),
    texts.map(str.encode),
    st.tuples(
        st.sampled_from([b"PAR1", b"PK\x03\x04xl/workbook.xml", b"\x1f\x8b\x08", b"\xff\xfe", b"sep="]),
        st.binary(max_size=60),
    ).map(b"".join),
    texts.map(lambda text: gzip.compress(text.encode())),
)


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(unpacking, "ALWAYS_FINE", 2**20)
    monkeypatch.setattr(unpacking, "STEP", 2**16)


def refused(path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as told:
        read_table(path, "The table")
    assert str(path) in str(told.value)


def test_files_that_unpack_out_of_proportion_are_refused(tmp_path, narrow):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", ZEROS)
    for content in (gzip.compress(ZEROS), bomb.getvalue()):
        refused(tmp_path / "a.csv", content, r"unpacks to more than 1 MiB, so it seems made to fill the memory")
    refused(tmp_path / "a.csv", gzip.compress(gzip.compress(b"a,b\n1,2\n")), "is packed twice")
    refused(tmp_path / "a.csv", b"\xfd7zXZ\x00", "is packed by xz. Unpack it, or pack it by gzip")


def test_a_parquet_file_of_more_rows_than_its_bytes_can_hold_is_refused(tmp_path, narrow):
    whole = io.BytesIO()
    parquet.write_table(pa.table({"x": pa.array([0] * 1_000_000)}), whole)
    refused(tmp_path / "a.parquet", whole.getvalue(), "unpacks to more than")


def test_workbooks_that_would_fill_the_memory_are_refused(tmp_path, narrow):
    far = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    with pytest.raises(InputError, match=r"has a sheet of 1,048,576 rows and 16,384 columns, more than can be held"):
        read_table(workbook(tmp_path / "far.xlsx", {"One": far}), "The table")
    with pytest.raises(InputError, match="unpacks to more than"):
        read_table(workbook(tmp_path / "big.xlsx", {"One": "<row/>" * 500_000}), "The table")
    path = workbook(tmp_path / "text.xlsx", {"One": "<row>" + '<c t="s"><v>0</v></c>' * 3000 + "</row>"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", f"<sst><si><t>{'x' * 800_000}</t></si></sst>")
    with pytest.raises(InputError, match="3,000 cells of text, and a text of 800,0"):
        read_table(path, "The table")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "is a PNG picture, not a table, whatever its name"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "is HDF5, not a table"),
        (b"\x80\x04\x95" + bytes(99), "is a pickle, not a table"),
        (b"MZ" + bytes(range(32)) * 9, "is a binary file, not a table"),
        (b"patient_id,age\nP1\0X,61\n" + b"P2,61\n" * 50, "has a NUL character in line 2"),
        (b'patient_id,age\n"P1\rX",61\n', r"line break or control character in patient_id, row 2.*'P1\\rX'"),
        (b"slide_id,patient_id\nA\x07B,1\n" + b"C,1\n" * 50, r"control character in slide_id, row 2"),
        (b"a" * 200_000 + b",b\n1,2\n", "cannot be read as a table .*field larger than field limit"),
        (b"a," * MOST_COLUMNS + b"a\n", "has 500,001 columns, and at most 500,000 can be read"),
        (b"#\n#x\n", "has no header and no rows"),
        (b"sep=,\n", "has no header and no rows"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, content, message):
    refused(tmp_path / "a.csv", content, message)


def test_a_quote_that_is_not_closed_is_told_whatever_others_allow_the_csv_module(tmp_path):
    before = csv.field_size_limit(2**31 - 1)  # as scipy.io does
    try:
        refused(tmp_path / "a.csv", b'id,"note\n' + b"a,1\n" * 50_000, "field larger than field limit")
    finally:
        csv.field_size_limit(before)


@settings(max_examples=300)
@given(content=contents)
def test_any_bytes_are_a_table_or_one_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "a.csv"
    path.write_bytes(content)
    try:
        read_table(path, "The table")
    except PrognoscopeError as error:
        assert str(path) in str(error)
