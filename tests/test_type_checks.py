"""Our decorator refuses what annotations rule out, as jaxtyping's own does."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from beartype import BeartypeConf, beartype
from jaxtyping import Float

from prognoscope.core.bags import Bags
from prognoscope.core.words import count
from tests.type_checks import checked

check = checked(typechecker=beartype(conf=BeartypeConf(violation_type=TypeError)))


@check
def pair(a: Float[np.ndarray, " N"], b: Float[np.ndarray, " N"], *, cut: int = 0) -> Float[np.ndarray, " N"]:
    return (a + b)[cut:]


@check
def rest(a: Float[np.ndarray, "N *rest"], b: Float[np.ndarray, "_ *rest"] | None = None) -> Float[np.ndarray, "N ..."]:
    return a if b is None else a[: len(b)]


@check
def rows(a: Float[np.ndarray, "N D"], b: Float[np.ndarray, "N D"]) -> Iterator[float]:
    yield from pair(a[:, 0], b[:, 0])


@check
@dataclass(frozen=True, slots=True)
class Both:
    a: Float[np.ndarray, " N"]
    b: Float[np.ndarray, " N"]

    @property
    @check
    def size(self) -> str:
        return len(self.a)  # type: ignore[return-value]


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape)


def test_one_letter_is_one_length_in_arguments_and_result_of_a_call_and_free_in_the_next():
    assert len(pair(ones(3), ones(3))) == 3 and len(pair(ones(4), ones(4))) == 4
    for wrong in (lambda: pair(ones(3), ones(4)), lambda: pair(ones(3), ones(3), cut=1), lambda: pair(ones(3), 1.0)):
        with pytest.raises(TypeError):
            wrong()


def test_the_last_axes_have_a_name_together():
    assert rest(ones(3, 4, 5), ones(3, 4, 5)).shape == (3, 4, 5) and rest(ones(3)).shape == (3,)
    for wrong in (
        lambda: rest(ones(3, 4), ones(3, 5)),
        lambda: rest(ones(3, 4), ones(3, 4, 1)),
        lambda: rest(ones(3, 4), ones(2, 4)),  # the result has another N
        lambda: rest(ones()),
        lambda: rest(torch.ones(3)),
        lambda: rest(np.ones(3, int)),
    ):
        with pytest.raises(TypeError):
            wrong()


def test_a_generator_is_checked_when_it_is_called_and_its_letters_are_its_own():
    assert list(rows(ones(2, 5), ones(2, 5))) == [2, 2]
    with pytest.raises(TypeError):
        rows(ones(2, 5), ones(2, 4))
    assert [len(list(each)) for each in (rows(ones(2, 5), ones(2, 5)), rows(ones(3, 4), ones(3, 4)))] == [2, 3]


def test_a_dataclass_is_checked_when_it_is_made_and_so_are_its_properties():
    both = Both(ones(3), ones(3))
    with pytest.raises(TypeError):
        Both(ones(3), ones(2))
    with pytest.raises(TypeError):
        _ = both.size


def test_the_package_is_checked_while_the_tests_run():
    with pytest.raises(TypeError):
        count("three", "patient")
    with pytest.raises(TypeError):
        Bags(torch.ones(3), torch.tensor([3]))
