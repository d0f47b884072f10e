"""Tables as programs and portals ship them are read as they are meant, and told where that was not plain."""

import pandas as pd
import pytest

from prognoscope.core.errors import InputError
from prognoscope.core.tables import notes_of, read_table, row_of
from tests.core.workbooks import workbook

PLAIN = "patient_id,age,grade\nA-1,61.5,G2\nA-2,,G3\n"
PORTAL = "#Identifier,Age,Grade\n#STRING,NUMBER,STRING\n#1,1,1\n"


def read(folder, content: str | bytes, **options) -> pd.DataFrame:
    path = folder / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, "The table", **options)


@pytest.mark.parametrize(
    "content",
    [
        PORTAL + PLAIN,
        "# made by a program, version 2\n" + PLAIN,
        "# one, two, three\n" + PLAIN,  # as many fields as the header
        "#" + PLAIN,  # the header itself
        "# a comment\n#" + PLAIN,
        "sep=,\r\n" + PLAIN,
        '"sep=;"\n' + PLAIN.replace(",", ";"),
        "\n\n" + PLAIN,
        PLAIN.replace(",", "|"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace("\n", ",,\n"),  # empty columns at the end
        "patient_id,age,grade\nA-1,61.5,G2,\nA-2,,G3,\n",  # only rows end with a separator
        PLAIN + ",,\n,,\n",  # empty rows at the end
        PLAIN.encode("utf-16"),
        PLAIN.replace(",", "\t").encode("utf-16"),
        "\ufeff" + PLAIN,
        PLAIN.replace(",", ";").replace("61.5", "61,5"),
        '"patient_id";"age";"grade"\n"A-1";61,5;"G2"\n"A-2";;"G3"\n',
    ],
)
def test_what_is_around_a_table_changes_nothing_in_it(tmp_path, content):
    expected = read(tmp_path, PLAIN)
    pd.testing.assert_frame_equal(read(tmp_path, content), expected)


def test_lines_of_comment_and_decimal_commas_are_told(tmp_path):
    assert notes_of(read(tmp_path, PORTAL + PLAIN)) == (
        "table.csv: 3 lines above the header that begin with # were passed over.",
    )
    commas = notes_of(read(tmp_path, "id;x;y\nA;1,5;2,25\nB;2,5;3,75\n"))
    assert commas == ("table.csv: the decimal commas of 2 columns were read as points: x, y.",)
    assert notes_of(read(tmp_path, PLAIN)) == ()


def test_the_lines_above_a_gct_are_passed_over_and_told(tmp_path):
    table = read(tmp_path, "#1.2\n2\t1\nName\tDescription\tA-1\nTP53\tna\t1.5\nMYC\tna\t2\n")
    assert table["A-1"].tolist() == [1.5, 2.0]
    assert notes_of(table) == ("table.csv: the two lines above the header, which are GCT's, were passed over.",)
    assert row_of(table, 0) == 4


def test_a_row_that_begins_with_a_hash_is_a_row(tmp_path):
    assert read(tmp_path, "patient_id,age\n#1,61\n#2,62\n")["patient_id"].tolist() == ["#1", "#2"]


def test_commas_that_may_be_thousands_are_refused_where_points_are_decimals(tmp_path):
    assert read(tmp_path, "id;x\nA;1,234\nB;0,5\n")["x"].tolist() == [1.234, 0.5]
    assert read(tmp_path, "id;x;y\nA;74,5;1.5\nB;75,5;2.5\n")["x"].tolist() == [74.5, 75.5]
    with pytest.raises(
        InputError, match=r"commas in its column 'x', such as 1,234, which may be decimals or thousands"
    ):
        read(tmp_path, "id;x;y\nA;1,234;1.5\nB;2,345;2.5\n")


@pytest.mark.parametrize("separator", ["\t", " ", ";"])
def test_a_header_one_name_short_names_the_columns_after_the_first(tmp_path, separator):
    table = read(tmp_path, '"TP53" "MYC"\n"A-1" 1.5 2\n"A-2" 3.5 4\n'.replace(" ", separator))
    assert table.columns.tolist() == ["patient_id", "TP53", "MYC"]
    assert table["patient_id"].tolist() == ["A-1", "A-2"]
    assert "one name short, as R writes it" in notes_of(table)[0]


def test_row_numbers_of_a_short_header_are_no_column(tmp_path):
    table = read(tmp_path, '"patient_id"\t"age"\n"1"\t"A-1"\t61\n"2"\t"A-2"\t62\n')
    assert table.columns.tolist() == ["patient_id", "age"]
    assert table["patient_id"].tolist() == ["A-1", "A-2"]


@pytest.mark.parametrize(
    "content",
    [
        "patient_id,time\nP1,10,5\nP2,7,2\n",  # decimal commas among commas
        "patient_id\ttime\nP1\t10\t5\nP2\t7\t2\n",  # what the first column is, nobody can tell
        "time,event\nP1,10,1\nP1,7,0\n",
    ],
)
def test_a_header_that_may_be_short_or_not_is_refused(tmp_path, content):
    with pytest.raises(InputError, match=r"table\.csv has 2 names in its header and 3 fields in every row below"):
        read(tmp_path, content)


def test_the_separator_is_the_one_of_all_lines(tmp_path):
    table = read(tmp_path, '"Age, years, at start";"Time, months"\n61;5\n62;6\n')
    assert table.columns.tolist() == ["Age, years, at start", "Time, months"]
    table = read(tmp_path, "id\tnote, if any, of it\nA\tx\nB\ty\n")
    assert table.columns.tolist() == ["id", "note, if any, of it"]


def test_a_damaged_row_is_named_as_an_editor_counts_it(tmp_path):
    with pytest.raises(InputError, match=r"Row #4: Expected 2 columns, got 1"):
        read(tmp_path, "# a comment\nid,x\nA,1\nB\nC,2\n")


def test_other_encodings_are_named_with_what_they_would_say(tmp_path):
    with pytest.raises(InputError, match=r"is not UTF-8 text, see line 2, which in Latin-1 is 'Müller,1'"):
        read(tmp_path, "name,x\nMüller,1\n".encode("latin-1"))


def test_a_sheet_gives_what_its_csv_gives(tmp_path):
    rows = [["patient_id", "age", "day", "n"], ["007", 61.5, "2020-01-31", 3], ["A-2", None, "", 4.0]]
    table = read_table(workbook(tmp_path / "a.xlsx", {"One": rows, "Empty": []}), "The table")
    pd.testing.assert_frame_equal(table, read(tmp_path, "patient_id,age,day,n\n007,61.5,2020-01-31,3\nA-2,,,4\n"))


def test_a_workbook_of_several_sheets_names_them(tmp_path):
    path = workbook(tmp_path / "a.xlsx", {"Clinical": [["a"], ["1"]], "Read me": [["x"]]})
    with pytest.raises(InputError, match=r"a\.xlsx is a workbook of 2 sheets: 'Clinical', 'Read me'\. Save the one"):
        read_table(path, "The table")
    with pytest.raises(InputError, match="whose sheets are empty"):
        read_table(workbook(tmp_path / "a.xlsx", {"One": []}), "The table")


def test_genes_that_excel_made_one_are_named_as_two(tmp_path):
    with pytest.raises(InputError, match=r"genes which Excel turned into dates: 1-Mar was MARCH1 or MARCHF1 or MARC1"):
        read(tmp_path, "patient_id,1-Mar,1-Mar\nA,1,2\n")


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("patient_id,x\nA,1\nB,2\nC,3\n", [2, 3, 4]),
        ("# one\n# two\n\npatient_id\tx\nA\t1\nB\t2\nC\t3\n", [5, 6, 7]),
        ("sep=;\npatient_id;x\nA;1\nB;2\nC;3\n", [3, 4, 5]),
        ("#patient_id\tx\r\nA\t1\r\n\r\n\r\nB\t2\r\nC\t3\r\n\r\n", [2, 5, 6]),  # an editor shows the blank lines
        ('patient_id,x\nA,"1\n1"\nB,2\nC,3\n', [2, 3, 4]),  # a spreadsheet shows a field of two lines in one row
        ("patient_id,x\nA,1\n,\nB,2\n,\n", [2, 3, 4]),
    ],
)
def test_rows_have_the_numbers_that_a_spreadsheet_shows(tmp_path, content, rows):
    table = read(tmp_path, content)
    assert [row_of(table, i) for i in range(len(table))] == rows


def test_rows_of_a_workbook_have_the_numbers_that_excel_shows(tmp_path):
    cells = "".join(
        f'<row r="{row}"><c r="B{row}" t="inlineStr"><is><t>{name}</t></is></c><c r="C{row}"><v>1</v></c></row>'
        for row, name in ((4, "patient_id"), (5, "A"), (7, "B"))
    )
    table = read_table(workbook(tmp_path / "a.xlsx", {"One": cells}), "The table")
    assert [(name, row_of(table, i)) for i, name in enumerate(table["patient_id"])] == [("A", 5), (None, 6), ("B", 7)]
