"""Delimited text as programs write it: what separates fields, what is above the header, which names lack."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from prognoscope.core.column_names import ID_COLUMNS, plain_name
from prognoscope.core.errors import InputError

SEPARATORS = (",", "\t", ";", "|")
CONTROL = bytes(range(32)).translate(None, b"\t\n\r\x0b\x0c\x1a") + b"\x7f"
BINARY = {  # how files begin that are no text
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF",
    b"\x89HDF": "HDF5",
    b"SQLite format": "an SQLite database",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x93NUMPY": "a NumPy array",
    b"RDX": "an R workspace",
    b"II*\x00": "a TIFF picture",
    b"MM\x00*": "a TIFF picture",
    b"ARROW1": "a Feather file",
}
SAMPLED = 200  # rows below the header that are looked at
MOST_COLUMNS = 500_000
LONGEST_FIELD = 2**17 - 1  # characters; a quote that is not closed takes all that follows
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")
SEP_LINE = re.compile(rb'"?sep=(\\t|[^\r\n"])"?[,;\t]*[\r\n]+', re.IGNORECASE)
GCT = re.compile(rb"#1\.[23][\t ]*(\r\n|\r|\n)\d+(\t\d+)+[\t ]*(\r\n|\r|\n)")  # a version, then sizes
LINE = re.compile(rb"[^\r\n]*(\r\n|\r|\n|$)")


@dataclass(frozen=True, slots=True)
class Delimited:
    """Text of a header and rows, and how it is to be read."""

    content: bytes  # UTF-8, from the header on; the header names every column
    separator: str
    header: tuple[str, ...]
    lines_above: int = 0
    notes: tuple[str, ...] = ()

    def rows(self, n: int) -> tuple[tuple[int, int], ...]:
        """Where the n rows below the header are, counted with what is above and with blank lines: the position of the
        first, and of each before which lines are left out, with its number.
        """
        plain = ((0, self.lines_above + 2),)
        if _line(self.content.rstrip(b"\r\n"), len(self.content)) == n + 1:
            return plain
        try:  # blank lines between, or line breaks in quotes, which a spreadsheet shows in one row
            numbers = enumerate(fields(self.content, self.separator), self.lines_above + 1)
            found = [number for number, row in numbers if row][1:]
        except csv.Error:
            return plain
        jumps = [i for i, number in enumerate(found) if not i or number != found[i - 1] + 1]
        return tuple((i, found[i]) for i in jumps) if len(found) == n else plain


def as_utf8(content: bytes, path: Path, what: str) -> bytes:
    """The text in UTF-8 without a byte order mark, whether it came as UTF-8 or, as Excel's Unicode text, as UTF-16.

    Raises:
        InputError: It is empty, no text, or in another encoding.
    """
    if kind := next((kind for magic, kind in BINARY.items() if content.startswith(magic)), None):
        raise InputError(f"{what} {path} is {kind}, not a table, whatever its name. Name another file.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            content = content.decode("utf-16").encode("utf-8")
        except UnicodeError as cause:
            raise InputError(f"{what} {path} is damaged UTF-16 text ({cause}). Save it in UTF-8.") from cause
    content = content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\x1a")
    if not content.strip():
        raise InputError(f"{what} {path} is empty. Write it again.")
    strange = len(content) - len(content.translate(None, CONTROL))
    if strange > len(content) // 50:
        raise InputError(f"{what} {path} is a binary file, not a table, whatever its name. Name another file.")
    if (place := content.find(b"\0")) >= 0:
        raise InputError(
            f"{what} {path} has a NUL character in line {_line(content, place)}. Remove it, or save the table again in "
            "UTF-8."
        )
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as cause:
        line = content[max(content.rfind(b"\n", 0, cause.start), 0) : cause.start + 20].strip().splitlines()[0]
        raise InputError(
            f"{what} {path} is not UTF-8 text, see line {_line(content, cause.start)}, which in Latin-1 is "
            f"{line.decode('cp1252', 'replace')[-60:]!r}. Save it as CSV in UTF-8."
        ) from cause
    return content


def delimited(content: bytes, path: Path, what: str, *, separator: str | None = None) -> Delimited:
    """UTF-8 text as a header and rows.

    Passed over are blank lines, Excel's `sep=` line and lines of comment that begin with # above the header. A header
    that is one name short, as R's write.table leaves it, gets a name for the first column, which holds the rows'.

    Args:
        separator: What separates fields, where that is known.

    Raises:
        InputError: It has no header, more columns than any table, or rows of which the first field may be a name or a
            value.
    """
    whole, notes = content, []
    content = content.lstrip(b"\r\n")
    if found := SEP_LINE.match(content):
        separator = found[1].decode("utf-8", "replace").replace("\\t", "\t")
        content = content[found.end() :].lstrip(b"\r\n")
    if found := GCT.match(content):
        content = content[found.end() :]
        notes.append(f"{path.name}: the two lines above the header, which are GCT's, were passed over.")
    content, comments = _without_comments(content, separator)
    if comments:
        lines = "line" if comments == 1 else "lines"
        notes.append(f"{path.name}: {comments} {lines} above the header that begin with # were passed over.")
    above = _line(whole, len(whole) - len(content)) - 1
    if not content.strip():
        raise InputError(f"{what} {path} has no header and no rows. Write it again.")
    separator = separator or _separator(content)
    try:
        rows = list(islice(fields(content, separator), SAMPLED + 1))
    except csv.Error as cause:
        raise InputError(f"{what} {path} cannot be read as a table ({cause}). Close its quotes, or name it.") from cause
    header = tuple(rows[0]) if rows else ()
    if len(header) > MOST_COLUMNS:
        raise InputError(
            f"{what} {path} has {len(header):,} columns, and at most {MOST_COLUMNS:,} can be read. If they are "
            "patients, turn the table; or leave out columns."
        )
    if not _is_one_longer(rows):
        return Delimited(content, separator, header, above, tuple(notes))
    mark = separator.encode()
    if not any(row[-1].strip() for row in rows[1:] if row):  # rows that end with a separator
        end = len(_first_lines(content, 1)[0])
        return Delimited(content[:end] + mark + content[end:], separator, (*header, ""), above, tuple(notes))
    name = _name_of_rows(rows, is_quoted=_second_line(content).startswith(b'"'), separator=separator)
    if name is None:
        raise InputError(
            f"{what} {path} has {len(header)} names in its header and {len(header) + 1} fields in every row below. "
            "If the first column has no name, give it one; if a comma is the decimal sign, separate by semicolons."
        )
    notes.append(f"{path.name}: the header is one name short, as R writes it; the first column was taken as row names.")
    return Delimited(f'"{name}"'.encode() + mark + content, separator, (name, *header), above, tuple(notes))


def fields(content: bytes, separator: str) -> Iterator[list[str]]:
    """The fields of each line, quotes taken off; of UTF-8 text.

    Raises:
        csv.Error: A field is longer than any is; the csv module's own limit is one of the process, which others move.
    """
    for row in csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8", newline=""), delimiter=separator):
        if max(map(len, row), default=0) > LONGEST_FIELD:
            raise csv.Error(f"field larger than field limit ({LONGEST_FIELD})")
        yield row


def _line(content: bytes, place: int) -> int:
    """The number of the line of a byte, from 1."""
    before = content[:place]
    return 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")


def _without_comments(content: bytes, separator: str | None) -> tuple[bytes, int]:
    """The text from its header on, and how many lines of comment were above."""
    n, rest = 0, content
    while rest.startswith(b"#"):
        line = re.split(rb"[\r\n]", rest, maxsplit=1)[0]
        below = rest[len(line) :].lstrip(b"\r\n")
        if not below.startswith(b"#") and _is_header(line, below, separator):
            return rest.removeprefix(b"#").lstrip(b" "), n
        n, rest = n + 1, below
    return rest, n


def _is_header(line: bytes, below: bytes, separator: str | None) -> bool:
    """Whether the last line that begins with # names the columns of what is below: as many, numbers among them."""
    separator = separator or _separator(line.lstrip(b"# "))
    try:
        (names, *rows) = islice(fields(line.lstrip(b"# ") + b"\n" + below, separator), 20)
    except (csv.Error, ValueError):
        return False
    if len(names) < 2 or not rows or any(len(row) != len(names) for row in rows if row):
        return False
    return any(NUMBER.fullmatch(field.strip()) for field in rows[0]) or plain_name(names[0]) in ID_COLUMNS


def _separator(content: bytes) -> str:
    """What separates the fields of the first line, outside of quotes; of several, the one by which the next agrees."""
    lines = [re.sub(r'"[^"]*"', '""', line.decode("utf-8", "replace")) for line in _first_lines(content, 20)]
    counts = {each: lines[0].count(each) for each in SEPARATORS if lines and each in lines[0]}
    if not counts:
        return " " if _is_blank_separated(lines) else ","
    agree = [each for each, n in counts.items() if all(line.count(each) in (n, n + 1) for line in lines[1:])]
    return max(agree or counts, key=counts.__getitem__)


def _is_blank_separated(lines: Sequence[str]) -> bool:
    """As R's write.table does, unless it is told otherwise."""
    n = [len(line.split(" ")) for line in lines]
    return len(n) > 1 and n[0] > 1 and (all(each == n[0] + 1 for each in n[1:]) or (set(n) == {n[0]} and n[0] > 2))


def _first_lines(content: bytes, most: int) -> list[bytes]:
    lines = (found[0].rstrip(b"\r\n") for found in LINE.finditer(content) if found[0])
    return list(islice((line for line in lines if line.strip()), most))


def _second_line(content: bytes) -> bytes:
    return _first_lines(content, 2)[-1]


def _is_one_longer(rows: Sequence[Sequence[str]]) -> bool:
    """Whether every row has one field more than the header."""
    return len(rows) > 1 and bool(rows[0]) and {len(row) for row in rows[1:] if row} == {len(rows[0]) + 1}


def _name_of_rows(rows: Sequence[Sequence[str]], *, is_quoted: bool, separator: str) -> str | None:
    """What to call a first column without a name: nothing if it counts rows; None if it is none for certain.

    With decimal commas among commas, every row has too many fields as well.
    """
    names = [row[0] for row in rows[1:] if row]
    counts = names == [str(i + 1) for i in range(len(names))]
    has_ids = any(plain_name(name) in ID_COLUMNS for name in rows[0])
    if (separator == "," and not is_quoted) or len(set(names)) < len(names) or not all(map(str.strip, names)):
        return None
    if counts:
        return ""
    return None if has_ids else "patient_id"
