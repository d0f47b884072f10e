"""Tables as users and portals ship them: CSV with any of three separators, packed or not, and Parquet."""

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from prognoscope.core.errors import InputError, some
from prognoscope.core.files import need_file

ID_COLUMNS = frozenset(  # kept as text, so that 05 stays 05; compared as `plain_name` spells them
    {
        *("barcode", "bcr_patient_barcode", "case", "case_id", "case_submitter_id", "patient", "patient_barcode"),
        *("patient_id", "sample", "sample_id", "submitter_id", "site", "tissue_source_site"),
        *("file", "file_name", "filename", "slide", "slide_id"),
    }
)
MISSING_WORDS = frozenset(  # in lower case; of files, R, Python, cBioPortal, the GDC and Xena
    {
        *("", "na", "nan", "n/a", "<na>", "none", "null", "nil", ".", "?", "-", "--", "'--", "#n/a", "#null!"),
        *("not reported", "not available", "not applicable", "not evaluated", "unknown", "missing"),
        *("[not reported]", "[not available]", "[not applicable]", "[not evaluated]", "[unknown]", "[discrepancy]"),
        *("[completed]", "[pending]", "[not submitted]", "not allowed to collect", "[null]", "[]"),
    }
)
SPREADSHEETS = (".xlsx", ".xls", ".ods")
LARGEST_BLOCK = 2**31 - 2  # bytes that the parser takes at once
TABLE_NAME = re.compile(r"\.(csv|tsv|txt)(\.|$)", re.IGNORECASE)


def read_table(path: Path | str, what: str, *, text: Collection[str] = (), keep_unnamed: bool = False) -> pd.DataFrame:
    """A table with its columns as in the file, but for those without a name, which are row counters.

    Reads comma, semicolon or tab separated text, in gzip or as the one table of a zip archive too, and Parquet: the
    content decides, not the name. Columns of ids, and those named in `text`, are text without blanks around it; dates
    are text. A field that is empty or NA is missing everywhere. Numbers are read to their last digit.

    Args:
        what: What the table is, to begin an error with: "The clinical table".
        keep_unnamed: Keep columns without a name as "Unnamed: <position>".

    Raises:
        MissingFileError: There is no such file.
        InputError: It is of no known format, damaged, an archive of several tables, or not a table.
    """
    path = need_file(path, what)
    content = path.read_bytes()
    if path.suffix.lower() in SPREADSHEETS or _is_spreadsheet(content):
        raise InputError(f"{what} {path} is a spreadsheet. Save its sheet as CSV.")
    if content[:4] == b"PAR1":
        table = _read_parquet(content, path, what)
    else:
        table = _read_text(_unpacked(content, path, what), path, what, text)
    table.columns = [_name_of(str(name).strip(), i) for i, name in enumerate(table.columns)]
    if twice := sorted(name for name, n in Counter(table.columns).items() if n > 1):
        raise InputError(f"{what} {path} has the column {some(twice)} twice. Leave one.")
    table = table.assign(**{name: as_text(table[name]) for name in table if _stays_text(name, text)})
    return table if keep_unnamed else table[[name for name in table if not is_unnamed(name)]]


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


def plain_name(column: str) -> str:
    """A column's name in lower case, with underscores for blanks, dots and dashes, to compare names by."""
    return re.sub(r"[\s.\-]+", "_", column.strip().lower())


def is_unnamed(column: str) -> bool:
    """Whether an export wrote this column without a name of its own."""
    return re.fullmatch(r"(Unnamed:.*)?", column.strip()) is not None


def _name_of(column: str, position: int) -> str:
    return f"Unnamed: {position}" if is_unnamed(column) else column  # files repeat empty names, and names of such


def _stays_text(column: str, text: Collection[str]) -> bool:
    return column.strip() in text or plain_name(column) in ID_COLUMNS


def _is_spreadsheet(content: bytes) -> bool:
    """Whatever its name: an Excel file of before 2007, or an archive with a workbook in it."""
    if content[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        return True
    is_archive = content[:4] == b"PK\x03\x04"
    return is_archive and (b"xl/workbook.xml" in content or b"application/vnd.oasis.opendocument" in content[:200])


def _unpacked(content: bytes, path: Path, what: str) -> bytes:
    try:
        if content[:2] == b"\x1f\x8b":
            return gzip.decompress(content)
        if content[:4] == b"PK\x03\x04":
            return _only_member(content, path, what)
    # zipfile raises RuntimeError for an encrypted member, NotImplementedError for a compression it does not know
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as cause:
        raise InputError(f"{what} {path} cannot be unpacked ({cause}). Copy or pack it again.") from cause
    return content


def _only_member(content: bytes, path: Path, what: str) -> bytes:
    """The one table in a zip archive, as a stream: its own name is never used, for it may climb out of the folder."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [each for each in archive.infolist() if not each.is_dir() and not _is_clutter(each.filename)]
        if len(members) > 1:
            members = [each for each in members if TABLE_NAME.search(PurePosixPath(each.filename).name)]
        if len(members) != 1:
            named = some(each.filename for each in members) or "none"
            raise InputError(
                f"{what} {path} is an archive of {len(members)} tables ({named}). Give an archive of one table."
            )
        inside = archive.read(members[0])
    if inside[:4] == b"PK\x03\x04":
        raise InputError(f"{what} {path} is an archive of another archive. Unpack it once.")
    return inside


def _is_clutter(member: str) -> bool:
    return "__MACOSX" in member or PurePosixPath(member).name.startswith("._")


def _read_text(content: bytes, path: Path, what: str, text: Collection[str]) -> pd.DataFrame:
    content = content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if not content.strip():
        raise InputError(f"{what} {path} is empty. Write it again.")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as cause:
        line = content.count(b"\n", 0, cause.start) + 1
        raise InputError(f"{what} {path} is not UTF-8 text, see line {line}. Save it as CSV in UTF-8.") from cause
    separator = max((b",", b"\t", b";"), key=content.split(b"\n", 1)[0].count).decode()
    header = next(csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8"), delimiter=separator))
    types = {name: pa.string() for name in header if _stays_text(name, text)}
    table = _parse(content, separator, types, path, what)
    if dates := {field.name: pa.string() for field in table.schema if pa.types.is_temporal(field.type)}:
        table = _parse(content, separator, types | dates, path, what)
    for i, field in enumerate(table.schema):
        if pa.types.is_null(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(pa.float64()))
    return _without_none(table.to_pandas())


def _parse(content: bytes, separator: str, types: dict[str, pa.DataType], path: Path, what: str) -> pa.Table:
    block_size = min(len(content) + 1, LARGEST_BLOCK)  # a row must fit in a block, and rows of genes are long
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(content),
            read_options=arrow_csv.ReadOptions(block_size=block_size),
            parse_options=arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(column_types=types, strings_can_be_null=True),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as cause:
        reason = re.sub(r"\s+", " ", str(cause))[:160]
        raise InputError(f"{what} {path} cannot be read as a table ({reason}). Correct the row it names.") from cause


def _read_parquet(content: bytes, path: Path, what: str) -> pd.DataFrame:
    try:
        table = parquet.read_table(pa.BufferReader(content)).to_pandas()
    except (pa.ArrowException, OSError) as cause:
        raise InputError(f"{what} {path} cannot be read as Parquet ({cause}). Write it again.") from cause
    return _without_none(table if isinstance(table.index, pd.RangeIndex) else table.reset_index())


def _without_none(table: pd.DataFrame) -> pd.DataFrame:
    """The table with NaN for None, so that what is missing looks the same in every column."""
    texts = [i for i, kind in enumerate(table.dtypes) if kind.kind == "O"]
    for i in texts:
        column = table.iloc[:, i]
        table.isetitem(i, column.where(column.notna(), np.nan).array)
    return table
