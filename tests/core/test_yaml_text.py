"""YAML that is more, or other, than a study file may be: refused with its line, in little time and memory."""

import time
import tracemalloc

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from prognoscope.core.errors import StudyError
from prognoscope.core.yaml_text import parse_yaml, problem_of
from prognoscope.study.yaml_file import read_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 12))
REFUSED = {
    "a bomb of aliases": (BOMB, 5, "20,000 values once its aliases"),
    "a bomb of merges": (MERGED, 5, "20,000 values once its aliases"),
    "an alias of itself": ("a: 1\nb: &b [*b]", 2, "an alias inside of what it stands for"),
    "brackets": ("a: 1\nb: " + "[" * 2000 + "]" * 2000, 2, "more than 40 levels"),
    "blanks": ("".join(" " * i + "a:\n" for i in range(900)), 40, "more than 40 levels"),
    "5,000 digits": ("a: 1\nb: " + "9" * 5000, 2, "a number of 5000 digits"),
    "an hour": ("a: 1\nb: 1:30", 2, "1:30 would be read as a number to the base 60; put it in quotes"),
    "an hour with a fraction": ("b: 1:30.5", 1, "base 60"),
    "an octal number": ("a: 1\nb: 010", 2, "010 would be read as an octal number"),
    "a word that is a truth": ("a: 1\nb: [no]", 2, "no without quotes is false to some .* or 'no' where the word"),
    "a key that is a truth": ("a: 1\nYes: 1", 2, "Yes without quotes is true to some"),
    "a Windows path": ('a: 1\nb: "C:\\data\\clinical.csv"', 2, "write / instead, or use single quotes"),
    "a Windows path of users": ('b: "C:\\users"', 1, "write / instead, or use single quotes"),
    "a Windows path of real escapes": ('a: 1\nb: "C:\\new\\table.csv"', 2, "write / instead, or use single quotes"),
    "a zero byte": ('b: "a\\0b"', 1, "write / instead, or use single quotes"),
    "half a character": ('b: "\\ud800"', 1, "backslash|surrogate"),
    "a character that is none": ('a: 1\nb: "\\UFFFFFFFF"', 2, "cannot be read"),
    "a tag": ("a: 1\nb: !!python/object/apply:os.system ['true']", 2, "the tag !!python/object/apply:os.system"),
    "a tag of a number": ("a: 1\nb: !!int x", 2, "the tag !!int"),
    "a key twice": ("a: 1\nb: 2\na: 3", 3, "'a' is there already in line 1"),
    "a tab before a value": ("a:\tb: 1\nc:\td", 1, "a tab stands where"),
    "a tab": ("a:\n\tb: 1", 2, "a tab stands where"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_yaml_beyond_bounds_is_refused_with_its_line(what, tmp_path):
    text, line, words = REFUSED[what]
    (tmp_path / "study.yaml").write_text(text)
    began = time.perf_counter()
    tracemalloc.start()
    with pytest.raises(StudyError, match=rf"study\.yaml, line {line}, is not YAML: .*({words})"):
        read_yaml(tmp_path / "study.yaml")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100e6 and time.perf_counter() - began < 60


def test_what_is_meant_as_it_stands_is_read():
    assert parse_yaml("a: {b: [1, -2, 0, 0x10, 1.5, 1e-4, true, ~], c: '1:30', d: 'no', e: \"C:/x\"}") == {
        "a": {"b": [1, -2, 0, 16, 1.5, 1e-4, True, None], "c": "1:30", "d": "no", "e": "C:/x"}
    }
    assert parse_yaml("a: &x [1, 2]\nb: *x\nc: {<<: {d: 1}, e: 2}") == {"a": [1, 2], "b": [1, 2], "c": {"d": 1, "e": 2}}
    assert parse_yaml("a: 'C:\\data\\x.csv'\nb: C:\\data\\x.csv\nc: 12:30:x") == {
        "a": "C:\\data\\x.csv",
        "b": "C:\\data\\x.csv",
        "c": "12:30:x",
    }


def test_a_file_too_long_to_be_a_study_is_refused_unread(tmp_path):
    (tmp_path / "study.yaml").write_bytes(b"a: b\n" * 300_000)
    with pytest.raises(StudyError, match=r"study\.yaml is longer than 1,048,576 bytes"):
        read_yaml(tmp_path / "study.yaml")


PIECES = [*"[]{}:,-?&*!|>'\"%@`#\\ \n\t0123456789.eE+_~<=", "a", "&a ", "*a", "<<: ", "!!", "\n  ", ": ", "no", "\\u"]


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=40).map("".join)))
@example("? [a]\n: b")
@example("!!binary x")
@example("=")
def test_any_text_is_read_or_is_an_error_of_yaml(text):
    try:
        parse_yaml(text)
    except yaml.YAMLError as cause:
        assert problem_of(cause)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_are_one_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "study.yaml"
    path.write_bytes(content)
    try:
        read_yaml(path)
    except StudyError as cause:
        assert "\n" not in str(cause) and str(path) in str(cause)
