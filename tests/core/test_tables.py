"""Tables are read by their content, whatever they are called and however they are packed."""

import gzip
import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import InputError, MissingFileError
from prognoscope.core.tables import as_text, read_table

PLAIN = "case_id,age,grade\nA-1,61,G2\nA-2,,G3\n"
ODD_NAMES = [
    "../dataset_csv/tcga_blca_all_clean.csv.zip",
    "../dataset_csv_sig/../dataset_csv/tcga_luad_all_clean.csv.zip",
    "./tcga_brca_all_clean.csv.zip",
    "tcga_ucec_all_clean.csv",
    "/etc/passwd",
]


def zipped(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_text(folder: Path, content: str | bytes, **options) -> pd.DataFrame:
    return read_table(written(folder / "table.csv", content), "The table", **options)


def test_packing_and_separators_change_nothing(tmp_path):
    expected = read_text(tmp_path, PLAIN)
    assert expected.columns.tolist() == ["case_id", "age", "grade"]
    same = [
        written(tmp_path / "a.csv.gz", gzip.compress(PLAIN.encode())),
        written(tmp_path / "misnamed.csv", gzip.compress(PLAIN.encode())),
        zipped(tmp_path / "a.csv.zip", {"a.csv": PLAIN}),
        zipped(tmp_path / "cluttered.zip", {"x/": "", "x/a.csv": PLAIN, "__MACOSX/x/._a.csv": "?", "readme.md": "?"}),
        written(tmp_path / "a.tsv", PLAIN.replace(",", "\t")),
        written(tmp_path / "semicolons.csv", PLAIN.replace(",", ";")),
        written(tmp_path / "windows.csv", b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode()),
    ]
    expected.to_parquet(tmp_path / "a.parquet")
    for path in [*same, tmp_path / "a.parquet"]:
        pd.testing.assert_frame_equal(read_table(path, "The table"), expected)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_member_is_read_whatever_it_is_called_and_nothing_is_written(tmp_path, name):
    path = zipped(tmp_path / "packed.zip", {name: PLAIN})
    assert len(read_table(path, "The table")) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["packed.zip"]


def test_an_archive_of_several_tables_or_none_is_refused(tmp_path):
    two = zipped(tmp_path / "two.zip", {"a.csv": PLAIN, "b.csv": PLAIN})
    with pytest.raises(InputError, match=r"two\.zip is an archive of 2 tables \(a\.csv, b\.csv\)\. Give an archive"):
        read_table(two, "The table")
    with pytest.raises(InputError, match="archive of 0 tables"):
        read_table(zipped(tmp_path / "none.zip", {"x/": ""}), "The table")
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.csv", PLAIN)
    with pytest.raises(InputError, match="archive of another archive"):
        read_table(zipped(tmp_path / "nested.zip", {"a.csv.zip": inner.getvalue()}), "The table")


@pytest.mark.parametrize("keep", [30, 60])
def test_a_damaged_archive_is_one_sentence(tmp_path, keep):
    whole = zipped(tmp_path / "a.zip", {"a.csv": PLAIN}).read_bytes()
    with pytest.raises(InputError, match=r"cut\.zip cannot be unpacked .* Copy or pack it again"):
        read_table(written(tmp_path / "cut.zip", whole[:keep]), "The table")
    packed = gzip.compress(PLAIN.encode())
    with pytest.raises(InputError, match="cannot be unpacked"):
        read_table(written(tmp_path / "cut.csv.gz", packed[:-12]), "The table")


def test_ids_stay_text_and_numbers_become_numbers(tmp_path):
    table = read_text(tmp_path, "Patient ID,site,mine,n\n 007,05,010,1\nNA,2F,020,2\n", text=["mine"])
    assert table["Patient ID"].tolist()[0] == "007"
    assert table["Patient ID"].isna().tolist() == [False, True]
    assert table["site"].tolist() == ["05", "2F"]
    assert table["mine"].tolist() == ["010", "020"]
    assert table["n"].tolist() == [1, 2]


def test_dates_stay_text_and_an_empty_column_is_missing(tmp_path):
    table = read_text(tmp_path, "day,void\n2020-01-31,\n2021-02-28,\n")
    assert table["day"].tolist() == ["2020-01-31", "2021-02-28"]
    assert table["void"].isna().all()


def test_columns_without_a_name_are_row_counters_unless_asked_for(tmp_path):
    content = ",Unnamed: 0,a\n0,5,1\n1,6,2\n"
    assert read_text(tmp_path, content).columns.tolist() == ["a"]
    assert read_text(tmp_path, content, keep_unnamed=True).columns.tolist() == ["Unnamed: 0", "Unnamed: 1", "a"]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_are_read_to_their_last_digit(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("numbers")
    table = read_text(folder, "x,y\n" + "".join(f"{number!r},a\n" for number in numbers))
    assert table["x"].astype(float).tolist() == numbers


def test_numbers_and_ids_as_other_libraries_hold_them_become_the_same_text():
    assert as_text(pd.Series([5, 6])).tolist() == ["5", "6"]
    assert as_text(pd.Series([5.0, None])).tolist()[0] == "5"
    assert as_text(pd.Series(["5 ", " "])).isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a,b\n1\n", "cannot be read as a table .*Expected 2 columns, got 1"),
        ("a,b\n1,2,3\n", "has 2 names in its header and 3 fields in every row below"),  # pandas would shift the ids
        ("a,b,a\n1,2,3\n", "has the column a twice"),
        ("name,x\nM\xfcller,1\n".encode("latin-1"), "is not UTF-8 text, see line 2"),
        (b"PAR1 and then nothing", "cannot be read as Parquet"),
    ],
)
def test_what_is_not_a_table_is_refused_with_its_place(tmp_path, content, message):
    with pytest.raises(InputError, match=rf"The table .*table\.csv {message}"):
        read_text(tmp_path, content)


def test_a_spreadsheet_a_folder_and_an_absent_file_are_told_apart(tmp_path):
    with pytest.raises(InputError, match=r"is a spreadsheet of another kind than \.xlsx, .* Save its sheet as CSV"):
        read_table(written(tmp_path / "a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "The table")
    with pytest.raises(MissingFileError, match="is a folder"):
        read_table(tmp_path, "The table")
    with pytest.raises(MissingFileError, match="does not exist"):
        read_table(tmp_path / "b.csv", "The table")


@pytest.mark.parametrize("name", ["sig/tcga_luad", "sig/tcga_ucec", "mutsig/tcga_kirp"])
def test_real_tables_are_read_as_pandas_reads_them(data_pack, name):
    path = data_pack / "tcga" / f"{name}_all_clean.csv.zip"
    with zipfile.ZipFile(path) as archive, archive.open(archive.infolist()[0]) as member:
        ids = dict.fromkeys(["case_id", "slide_id", "site"], str)
        expected = pd.read_csv(member, dtype=ids, float_precision="round_trip", low_memory=False)
    expected = expected[[column for column in expected if not column.startswith("Unnamed")]]
    as_objects = dict.fromkeys(
        expected.select_dtypes(exclude="number"), object
    )  # texts of pandas 3 have their own type
    read = read_table(path, "The table").astype(as_objects)
    pd.testing.assert_frame_equal(read, expected.astype(as_objects), check_exact=True)
