"""The one sheet of an Excel workbook, as the text that Excel would save it as: CSV."""

import csv
import io
import re
import zipfile
from datetime import datetime, time
from pathlib import Path
from typing import Any, cast

from python_calamine import CalamineWorkbook

from prognoscope.core.errors import InputError, some
from prognoscope.core.unpacking import DAMAGE, ZIP, need_proportion, open_archive, read_limited

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # Excel of before 2007, and encrypted workbooks of any year
MOST_CELLS = 50_000_000  # of the rectangle that a sheet spans, which is held in memory whole
MOST_CHARACTERS = 2**31  # of all cells, each of which gets its own copy of a text that they share
TEXT_CELL = re.compile(rb"""\bt\s*=\s*["']s["']""")
PLACE = re.compile(rb"""\br\s*=\s*["'](?:([A-Z]{1,7})(\d{1,12})|(\d{1,12}))["']""", re.IGNORECASE)


def is_workbook(content: bytes) -> bool:
    """Whether the content is a spreadsheet's, whatever the file is called."""
    if content.startswith(OLE):
        return True
    return content.startswith(ZIP) and any(
        mark in content for mark in (b"xl/workbook.", b"application/vnd.oasis.opendocument")
    )


def sheet_as_csv(content: bytes, path: Path, what: str, sheet: str | None = None) -> bytes:
    """The cells of the only sheet with any, separated by commas, below as many blank lines as empty rows; dates as
    2020-01-31.

    Args:
        sheet: The one to take where there is one of this name.

    Raises:
        InputError: It is another kind of spreadsheet, damaged, or has several sheets with cells, or none.
    """
    if not content.startswith(ZIP) or b"xl/workbook.xml" not in content:
        raise InputError(
            f"{what} {path} is a spreadsheet of another kind than .xlsx, or has a password. Save its sheet as CSV."
        )
    sheets = {name: each for name, each in _sheets(_safe(content, path, what), path, what).items() if each[0]}
    if not sheets:
        raise InputError(f"{what} {path} is a workbook whose sheets are empty. Write it again.")
    if sheet in sheets:
        sheets = {sheet: sheets[sheet]}
    if len(sheets) > 1:
        raise InputError(
            f"{what} {path} is a workbook of {len(sheets)} sheets: {some(map(repr, sheets))}. Save the one to use as "
            "CSV, or in a workbook of its own."
        )
    ((rows, (above, _)),) = sheets.values()
    text = io.StringIO()
    text.write("\n" * above)
    csv.writer(text, lineterminator="\n").writerows([_as_text(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8", errors="replace")


def _sheets(content: bytes, path: Path, what: str) -> dict[str, tuple[list[list[Any]], tuple[int, int]]]:
    """The rows of each sheet from its first cell on, and where that is."""
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(content)) as book:
            sheets = {name: book.get_sheet_by_name(name) for name in book.sheet_names}
            return {name: (sheet.to_python(), sheet.start or (0, 0)) for name, sheet in sheets.items()}
    except BaseException as cause:  # a panic of the reader is no Exception
        if isinstance(cause, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise InputError(f"{what} {path} cannot be read as a workbook ({cause}). Save its sheet as CSV.") from cause


def _safe(content: bytes, path: Path, what: str) -> bytes:
    """The same workbook, unpacked here within limits and packed anew, so that its reader meets no bomb.

    Raises:
        InputError: It is damaged, or unpacks to more than a workbook can hold.
    """
    anew = io.BytesIO()
    try:
        archive, members = open_archive(content, path, what)
        with archive, zipfile.ZipFile(anew, "w", zipfile.ZIP_STORED) as copy:
            total = longest = cells = 0
            for member in {each.filename: each for each in members}.values():
                if not member.filename.lower().endswith((".xml", ".rels")):
                    continue  # pictures, macros
                with archive.open(member) as stream:
                    inside = read_limited(cast(zipfile.ZipExtFile, stream), len(content), path, what)
                total += len(inside)
                need_proportion(total, len(content), path, what)
                if "sharedstrings" in member.filename.lower():
                    longest = max(map(len, inside.split(b"<si")))
                else:
                    cells += sum(1 for _ in TEXT_CELL.finditer(inside))
                    _check_extent(inside, path, what)
                copy.writestr(member.filename, inside)
        if longest * cells > MOST_CHARACTERS:
            raise InputError(
                f"{what} {path} has {cells:,} cells of text, and a text of {longest:,} characters, more than can be "
                "held. Delete columns that are not used, or save it as CSV."
            )
    except InputError:
        raise
    except DAMAGE as cause:
        raise InputError(
            f"{what} {path} cannot be read as a workbook ({cause}). Copy it again, or save its sheet as CSV."
        ) from cause
    return anew.getvalue()


def _check_extent(sheet: bytes, path: Path, what: str) -> None:
    """Two cells far apart span a rectangle that no memory holds."""
    rows = columns = 1
    for place in PLACE.finditer(sheet):
        rows = max(rows, int(place[2] or place[3]))
        columns = max(columns, _column(place[1])) if place[1] else columns
    if rows * columns > MOST_CELLS:
        raise InputError(
            f"{what} {path} has a sheet of {rows:,} rows and {columns:,} columns, more than can be held. Delete the "
            "cells far outside the table, or save it as CSV."
        )


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - ord("A") + 1
    return number


def _as_text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ")
    return repr(cell) if isinstance(cell, float) else str(cell)
