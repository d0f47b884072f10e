"""Tables as users and portals ship them: CSV, TSV, Parquet, packed or not; archives are read as streams."""

import gzip
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from prognoscope.core.errors import InputError, some
from prognoscope.core.files import need_file

ID_COLUMNS = frozenset(  # kept as text, so that 05 stays 05; compared in lower case
    {
        *("patient_id", "case_id", "patient", "patient id", "case", "submitter_id", "bcr_patient_barcode"),
        *("slide_id", "slide", "slide id", "filename", "file_name", "file", "site"),
    }
)


def read_table(path: Path | str, what: str, *, text: Sequence[str] = ()) -> pd.DataFrame:
    """A table with its columns as in the file, but for row counters (`Unnamed: 0`), which are dropped.

    Columns of ids, and those named in `text`, are text; a field that is empty or NA is missing everywhere.

    Args:
        what: What the table is, to begin an error with: "The clinical table".

    Raises:
        MissingFileError: There is no such file.
        InputError: It is of no known format, or an archive of several tables, or not a table.
    """
    path = need_file(path, what)
    name = path.name.lower()
    try:
        if name.endswith(".parquet"):
            table = pd.read_parquet(path)
        else:
            table = _read_csv(_content(path, name, what), "\t" if ".tsv" in name else ",", text)
    except (
        UnicodeDecodeError,
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        OSError,
        EOFError,
        ValueError,
    ) as cause:
        if isinstance(cause, InputError):
            raise
        raise InputError(f"{what} {path} cannot be read as a table: {cause}. Save it as CSV in UTF-8.") from cause
    table.columns = [str(column).strip() for column in table.columns]
    if twice := sorted({c for c in table.columns if list(table.columns).count(c) > 1})[:5]:
        raise InputError(f"{what} {path} has the column {some(twice)} twice. Leave one.")
    return table[[column for column in table.columns if not column.startswith("Unnamed:") and column != ""]]


def _content(path: Path, name: str, what: str) -> bytes:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and "__MACOSX" not in m.filename]
            if len(members) != 1:  # a member's own name is never used: it may climb out of the folder
                named = some(member.filename for member in members)
                raise InputError(
                    f"{what} {path} is an archive of {len(members)} files ({named}). Give an archive of one table."
                )
            return archive.read(members[0])
    if name.endswith((".xlsx", ".xls", ".ods")):
        raise InputError(f"{what} {path} is a spreadsheet. Save its sheet as CSV.")
    if name.endswith(".gz"):
        with gzip.open(path) as file:
            return file.read()
    return path.read_bytes()


def _read_csv(content: bytes, separator: str, text: Sequence[str]) -> pd.DataFrame:
    content = content.removeprefix(b"\xef\xbb\xbf")
    header = pd.read_csv(io.BytesIO(content), sep=separator, nrows=0).columns
    names = {column: str for column in header if str(column).strip().lower() in ID_COLUMNS or column in text}
    return pd.read_csv(io.BytesIO(content), sep=separator, dtype=names, float_precision="round_trip", low_memory=False)
