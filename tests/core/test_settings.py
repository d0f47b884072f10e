"""Settings that keep their own bounds, whoever makes them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Interval
from pydantic import TypeAdapter, ValidationError

from prognoscope.core.errors import CohortError, InputError
from prognoscope.core.settings import FilePath, FilePaths, Names, Share, hints_of, made_whole, settle


@dataclass(frozen=True, slots=True)
class Inner:
    file: FilePath | Literal["hub"] | None = None


@dataclass(frozen=True, slots=True)
class Outer:
    files: FilePaths = ()
    names: Names | None = None
    whole: Annotated[int, Interval(ge=2, le=50)] = 5
    number: Annotated[float, Gt(0)] | None = None
    pair: tuple[Share, Share] = (0.5, 0.5)
    parts: dict[str, Annotated[float, Ge(0)]] = field(default_factory=dict)
    word: Literal["a", "b", "c"] | None = None
    free: int = 0
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self):
        settle(self, CohortError)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"whole": 1}, "whole must be at least 2, not 1."),
        ({"whole": 51}, "whole must be at most 50, not 51."),
        ({"number": 0.0}, "number must be more than 0, not 0.0."),
        ({"number": float("nan")}, "number must be a finite number, not nan."),
        ({"number": float("inf")}, "number must be a finite number, not inf."),
        ({"pair": (0.5, 1.0)}, "pair must be less than 1, not (0.5, 1.0)."),
        ({"parts": {"head": -1.0}}, "parts must be at least 0, not {'head': -1.0}."),
        ({"word": "d"}, "word must be a, b or c, not 'd'."),
    ],
)
def test_what_is_out_of_bounds_is_refused(values, words):
    with pytest.raises(CohortError) as raised:
        Outer(**values)
    assert str(raised.value) == words and isinstance(raised.value, InputError)


@pytest.mark.parametrize(
    ("given", "taken"), [(2, ("2",)), ([2, "b"], ("2", "b")), ((2.0, 2.5), ("2", "2.5")), ("2", ("2",)), (None, None)]
)
def test_names_may_be_written_as_numbers_and_are_their_text(given, taken):
    assert Outer(names=given).names == taken
    assert TypeAdapter(Outer).validate_python({"names": given}).names == taken


@pytest.mark.parametrize("given", [[True], [float("nan")], [["a"]], {"a": 1}])
def test_what_has_no_one_text_is_no_name(given):
    with pytest.raises(ValidationError):
        TypeAdapter(Outer).validate_python({"names": given})


def test_what_is_within_bounds_is_kept_as_it_is():
    values = {"whole": 50, "number": 1e-9, "pair": (0.0, 0.99), "parts": {"x": 0.0}, "word": "c", "free": -7}
    made = Outer(**values)
    assert {name: getattr(made, name) for name in values} == values
    assert Outer(number=None, word=None) == Outer()


def test_one_value_stands_for_a_tuple_and_a_path_for_its_text():
    made = Outer(files=Path("a.csv"), names=["x", "y"])
    assert (made.files, made.names, Outer(names="x").names) == (("a.csv",), ("x", "y"), ("x",))


def test_paths_are_joined_to_a_folder_wherever_they_are(tmp_path):
    made = made_whole(Outer(files=("a.csv", "/b.csv"), names=("a.csv",), inner=Inner("w")), tmp_path)
    assert made.files == (str(tmp_path / "a.csv"), "/b.csv") and made.names == ("a.csv",)
    assert made.inner.file == str(tmp_path / "w")
    assert made_whole(Outer(inner=Inner("hub")), tmp_path) == Outer(inner=Inner("hub"))
    assert list(hints_of(Inner)) == ["file"]
