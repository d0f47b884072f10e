"""A run as TensorBoard's event files: losses and C-index of every epoch, the measures, the study's settings.

An event file is a row of TFRecords (length, masked CRC-32C of it, bytes, masked CRC-32C of these), each an `Event` of
TensorFlow's `event.proto` in protobuf's wire format, so that neither package is needed to write it.
"""

import math
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pandas as pd

from prognoscope.core.files import written_whole
from prognoscope.runs.read import Run, open_finished
from prognoscope.runs.tables import ALL_FOLDS
from prognoscope.study.apply.ensemble import method_of
from prognoscope.study.export.map_files import need_new

POLYNOMIAL = 0x82F63B78  # CRC-32C, bits reversed
MASK = 0xA282EAD8
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5  # protobuf's wire types
STRING = 7  # TensorFlow's DT_STRING
FILE = "events.out.tfevents.0.prognoscope"  # TensorBoard looks for the word in the middle


def export_events(run: Path, to: Path, *, method: str | None = None) -> list[Path]:
    """Write a log directory for TensorBoard: `<method>/fold_<k>` with a step an epoch, `<method>` with the rest.

    Tags of a fold are the columns of its `history.csv`; of a method `measures/<metric>`, with `_low` and `_high`, over
    all folds, and the study's settings as text.

    Args:
        to: A folder that is empty or not there yet.
        method: Its title; by default all of the run.

    Raises:
        InputError: The run has no such method, or the place is taken.
    """
    finished = open_finished(run)
    titles = [method_of(finished, method)] if method else list(finished.methods)
    need_new(to)
    written = []
    for title in titles:
        when = finished.files.metrics.stat().st_mtime
        written.append(_write(to / title / FILE, when, _of_method(finished, title, when)))
        for fold, history in finished.method(title).histories.items():
            when = finished.files.fold(title, fold).history.stat().st_mtime
            written.append(_write(to / title / f"fold_{fold}" / FILE, when, _of_fold(history, when)))
    return written


def _of_method(run: Run, title: str, when: float) -> Iterator[bytes]:
    rows = run.metrics[(run.metrics["method"] == title) & (run.metrics["fold"] == ALL_FOLDS)]
    for row in rows.to_dict("records"):
        for ending, name in (("", "value"), ("_low", "low"), ("_high", "high")):
            if math.isfinite(row[name]):
                yield event(when, 0, scalar(f"measures/{row['metric']}{ending}", row[name]))
    settings = "".join(f"    {line}\n" for line in run.study_text.splitlines())  # Markdown shows it as it is
    yield event(when, 0, text("settings", settings))


def _of_fold(history: pd.DataFrame, when: float) -> Iterator[bytes]:
    for row in history.to_dict("records"):
        for name, value in row.items():
            if name != "epoch" and math.isfinite(value):
                yield event(when, int(row["epoch"]), scalar(str(name), float(value)))


def _write(path: Path, when: float, events: Iterator[bytes]) -> Path:
    with written_whole(path) as beside, beside.open("wb") as file:
        file.write(record(field(1, EIGHT_BYTES, struct.pack("<d", when)) + field(3, BYTES, b"brain.Event:2")))
        for each in events:
            file.write(record(each))
    return path


def event(when: float, step: int, summary: bytes) -> bytes:
    """An `Event`: when, in seconds since 1970, at which step, and what."""
    told = field(1, EIGHT_BYTES, struct.pack("<d", when))
    told += field(2, VARINT, varint(step)) if step else b""  # nought is what an absent number is
    return told + field(5, BYTES, field(1, BYTES, summary))


def scalar(tag: str, value: float) -> bytes:
    """A number as a `Summary.Value`."""
    return field(1, BYTES, tag.encode()) + field(2, FOUR_BYTES, struct.pack("<f", value))


def text(tag: str, words: str) -> bytes:
    """Markdown as a `Summary.Value`."""
    plugin = field(1, BYTES, field(1, BYTES, b"text"))
    one = field(2, BYTES, field(2, BYTES, field(1, VARINT, varint(1))))  # a tensor of one string
    tensor = field(1, VARINT, varint(STRING)) + one + field(8, BYTES, words.encode())
    return field(1, BYTES, tag.encode()) + field(8, BYTES, tensor) + field(9, BYTES, plugin)


def field(number: int, kind: int, value: bytes) -> bytes:
    """A field of a protobuf message."""
    return varint(number << 3 | kind) + (varint(len(value)) if kind == BYTES else b"") + value


def varint(number: int) -> bytes:
    """A whole number, seven bits a byte, the lowest first."""
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def record(content: bytes) -> bytes:
    """A TFRecord."""
    length = struct.pack("<Q", len(content))
    return length + struct.pack("<I", masked_sum(length)) + content + struct.pack("<I", masked_sum(content))


def masked_sum(content: bytes) -> int:
    """CRC-32C, turned by 15 bits and shifted by a constant, as TFRecords have it."""
    table, rest = _table(), 0xFFFFFFFF
    for byte in content:
        rest = table[(rest ^ byte) & 255] ^ rest >> 8
    rest ^= 0xFFFFFFFF
    return ((rest >> 15 | rest << 17) + MASK) & 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    def entry(number: int) -> int:
        for _ in range(8):
            number = number >> 1 ^ (POLYNOMIAL if number & 1 else 0)
        return number

    return tuple(entry(number) for number in range(256))
