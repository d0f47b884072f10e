"""Tables as users and portals ship them: delimited text, packed or not, a sheet of Excel's, and Parquet."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from prognoscope.core.column_names import ID_COLUMNS, is_unnamed, plain_name
from prognoscope.core.delimited import Delimited, as_utf8, delimited
from prognoscope.core.errors import InputError, some
from prognoscope.core.files import need_file
from prognoscope.core.genes import dates_of_excel
from prognoscope.core.unpacking import need_proportion, read_content, unpacked
from prognoscope.core.workbook import is_workbook, sheet_as_csv

MISSING_WORDS = frozenset(  # in lower case; of files, R, Python, cBioPortal, the GDC and Xena
    {
        *("", "na", "nan", "n/a", "<na>", "none", "null", "nil", ".", "?", "-", "--", "'--", "#n/a", "#null!"),
        *("not reported", "not available", "not applicable", "not evaluated", "unknown", "missing"),
        *("[not reported]", "[not available]", "[not applicable]", "[not evaluated]", "[unknown]", "[discrepancy]"),
        *("[completed]", "[pending]", "[not submitted]", "not allowed to collect", "[null]", "[]"),
    }
)
LARGEST_BLOCK = 2**31 - 2  # bytes that the parser takes at once
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
STRANGE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # breaks a line, or ends a text where it is kept


def read_table(
    path: Path | str, what: str, *, text: Collection[str] = (), keep_unnamed: bool = False, sheet: str | None = None
) -> pd.DataFrame:
    """A table with its columns as in the file, but for those without a name, which are row counters.

    Reads text separated by comma, semicolon, tab or bar, in UTF-8 or UTF-16, in gzip or as the one table of a zip
    archive too; the only sheet of an .xlsx workbook; and Parquet: the content decides, not the name. Lines above the
    header that begin with #, a `sep=` line, a header that is one name short as R writes it, decimal commas between
    semicolons and empty columns and rows at the end are understood. Columns of ids, and those named in `text`, are
    text without blanks around it; dates are text. A field that is empty or NA is missing everywhere. Numbers are read
    to their last digit. What was passed over or read otherwise is told by `notes_of`, where a row is by `row_of`.

    Args:
        what: What the table is, to begin an error with: "The clinical table".
        keep_unnamed: Keep columns without a name as "Unnamed: <position>".
        sheet: Of a workbook of several, the one to read where there is one of this name.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is of no known format, damaged, an archive of several tables, or not a table; or a small file
            that unpacks to more than memory should hold.
    """
    path = need_file(path, what)
    content = read_content(path, what)
    if content[:4] == b"PAR1":
        table = _read_parquet(content, path, what)
    elif is_workbook(content):
        cells = sheet_as_csv(content, path, what, sheet)
        table = _read_text(delimited(cells, path, what, separator=","), path, what, text)
    else:
        table = _read_text(delimited(as_utf8(unpacked(content, path, what), path, what), path, what), path, what, text)
    told = dict(table.attrs)
    table.columns = [_name_of(str(name).strip(), i) for i, name in enumerate(table.columns)]
    _need_single_names(table, path, what)
    ids = {str(name): as_text(table[name]) for name in table.columns if _stays_text(str(name), text)}
    for name, column in ids.items():
        need_plain_ids(column, f"{what} {path}", name, table)
    table = table.assign(**ids)
    table = table if keep_unnamed else table[[name for name in table.columns if not is_unnamed(str(name))]]
    table.attrs |= told
    return table


def notes_of(table: pd.DataFrame) -> tuple[str, ...]:
    """What `read_table` passed over or read otherwise than it stands there, in sentences."""
    return tuple(table.attrs.get("notes", ()))


def row_of(table: pd.DataFrame, position: int) -> int:
    """The row that a spreadsheet, or an editor, shows for the data row at this position; of the header it is 1, or more
    where lines are above it.
    """
    at, row = max(each for each in table.attrs.get("rows", ((0, 2),)) if each[0] <= position)
    return row + position - at


def told_row(table: pd.DataFrame, position: int) -> str:
    """The same in words, which tell when the table has no rows that anybody sees, as of Parquet."""
    return f"row {row_of(table, position)}" if "rows" in table.attrs else f"row {position + 1} of the data"


def need_plain_ids(ids: Iterable[object], source: str, column: str, table: pd.DataFrame) -> None:
    """Nothing, if no id holds a line break or another control character, which would change where it is written.

    Args:
        table: Where they are, as `read_table` gave it.

    Raises:
        InputError: One does.
    """
    for i, name in enumerate(ids):
        if isinstance(name, str) and STRANGE.search(name):
            raise InputError(
                f"{source} has a line break or control character in {column}, {told_row(table, i)}: {name!a}. "
                "Remove it: an id is one line of text."
            )


def _need_single_names(table: pd.DataFrame, path: Path, what: str) -> None:
    if not (twice := sorted(name for name, n in Counter(table.columns).items() if n > 1)):
        return
    if dates := dates_of_excel(twice):
        named = some(f"{name} was {' or '.join(genes)}" for name, genes in dates.items())
        raise InputError(
            f"{what} {path} has columns twice that are names of genes which Excel turned into dates: {named}. Take the "
            "genes' names from the table before it was opened in Excel."
        )
    raise InputError(f"{what} {path} has the column {some(twice)} twice. Leave one.")


def as_text(column: pd.Series) -> pd.Series:
    """The values as text without blanks around it, whole numbers without a decimal point, None where missing."""
    return pd.Series([_text(value) for value in column], index=column.index, name=column.name, dtype=object)


def missing_words(column: pd.Series) -> Counter[str]:
    """The words of a column that say nothing, such as Not Reported, with how often each is there; not empty fields."""
    words = Counter(str(value).strip() for value in column if isinstance(value, str))
    return Counter({word: n for word, n in words.items() if word and word.lower() in MISSING_WORDS})


def _text(value: object) -> str | None:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return None if text.lower() in MISSING_WORDS else text


def _name_of(column: str, position: int) -> str:
    return f"Unnamed: {position}" if is_unnamed(column) else column  # files repeat empty names, and names of such


def _stays_text(column: str, text: Collection[str]) -> bool:
    return column.strip() in text or plain_name(column) in ID_COLUMNS


def _read_text(text: Delimited, path: Path, what: str, kept: Collection[str]) -> pd.DataFrame:
    types = {name: pa.string() for name in text.header if _stays_text(name, kept)}
    table = _parse(text, types, path, what)
    if dates := {field.name: pa.string() for field in table.schema if pa.types.is_temporal(field.type)}:
        table = _parse(text, types | dates, path, what)
    notes = text.notes
    if text.separator == ";" and (commas := _decimal_commas(table, text, types | dates, path, what)):
        for name, column in commas.items():
            table = table.set_column(table.schema.get_field_index(name), name, column)
        named = some(commas)
        notes = (*notes, f"{path.name}: the decimal commas of {len(commas)} columns were read as points: {named}.")
    for i, field in enumerate(table.schema):
        if pa.types.is_null(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(pa.float64()))
    frame = _without_empty_end(_without_none(table.to_pandas()))
    frame.attrs |= {"notes": notes, "rows": text.rows(table.num_rows)}
    return frame


def _decimal_commas(
    table: pa.Table, text: Delimited, types: dict[str, pa.DataType], path: Path, what: str
) -> dict[str, pa.ChunkedArray]:
    """The columns of text that are numbers when their commas are taken as decimal signs, as numbers."""
    texts = [
        field.name
        for field in table.schema
        if pa.types.is_string(field.type) and field.name not in types and table.schema.names.count(field.name) == 1
    ]
    if not texts or b"," not in text.content:
        return {}
    read = _parse(text, types, path, what, decimal_point=",")
    found = {name: read.column(name) for name in texts if pa.types.is_floating(read.schema.field(name).type)}
    if any(pa.types.is_floating(field.type) for field in table.schema):  # so that 1,234 may be a thousand
        for name in found:
            values = [value for value in table.column(name).to_pylist() if value and "," in value]
            if all(THOUSANDS.fullmatch(value.strip()) for value in values):
                raise InputError(
                    f"{what} {path} has decimal points, and commas in its column {name!r}, such as {values[0]}, which "
                    "may be decimals or thousands. Write points for decimals, and nothing for thousands."
                )
    return found


def _parse(
    text: Delimited,
    types: dict[str, pa.DataType],
    path: Path,
    what: str,
    *,
    decimal_point: str = ".",
    threads: bool = True,
) -> pa.Table:
    block_size = min(len(text.content) + 1, LARGEST_BLOCK)  # a row must fit in a block, and rows of genes are long
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(text.content),
            read_options=arrow_csv.ReadOptions(block_size=block_size, use_threads=threads),
            parse_options=arrow_csv.ParseOptions(delimiter=text.separator, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types, strings_can_be_null=True, decimal_point=decimal_point
            ),
        )
    except (pa.ArrowException, KeyError, UnicodeError) as cause:
        if threads:  # only without them, the parser counts rows
            return _parse(text, types, path, what, decimal_point=decimal_point, threads=False)
        reason = re.sub(r"Row #(\d+)", lambda row: f"Row #{int(row[1]) + text.lines_above}", str(cause))
        reason = re.sub(r"\s+", " ", reason)[:160]
        raise InputError(f"{what} {path} cannot be read as a table ({reason}). Correct the row it names.") from cause


def _read_parquet(content: bytes, path: Path, what: str) -> pd.DataFrame:
    try:
        about = parquet.ParquetFile(pa.BufferReader(content)).metadata
        need_proportion(8 * about.num_rows * about.num_columns, len(content), path, what)
        table = parquet.read_table(pa.BufferReader(content)).to_pandas()
        table.attrs = {}  # what a file tells of itself is not what was noticed here
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, MemoryError, OverflowError) as cause:
        raise InputError(f"{what} {path} cannot be read as Parquet ({cause}). Write it again.") from cause
    return _without_none(table if isinstance(table.index, pd.RangeIndex) else table.reset_index())


def _without_none(table: pd.DataFrame) -> pd.DataFrame:
    """The table with NaN for None, so that what is missing looks the same in every column."""
    texts = [i for i, kind in enumerate(table.dtypes) if kind.kind == "O"]
    for i in texts:
        column = table.iloc[:, i]
        table.isetitem(i, column.where(column.notna(), np.nan).array)
    return table


def _without_empty_end(table: pd.DataFrame) -> pd.DataFrame:
    """The table without rows of separators only at its end, as spreadsheets write them."""
    n = len(table)
    while n and len(table.columns) > 1 and _is_empty(table.iloc[n - 1]):
        n -= 1
    return table.iloc[:n]


def _is_empty(row: pd.Series) -> bool:
    return all(value != value or (isinstance(value, str) and not value.strip()) for value in row)
