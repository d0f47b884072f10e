import ctypes
import mmap

import numpy as np
import pytest

from prognoscope.core.memory import STEPS_BETWEEN, _glibc, freed_memory_kept

MIB = 2**20


def resident_share(addresses, size):
    """How much of this memory is there: what was given back is not, or is not mapped at all."""
    pages = size // mmap.PAGESIZE - 1
    there = np.zeros((len(addresses), pages), np.uint8)
    for address, of_pages in zip(addresses, there, strict=True):
        first = ctypes.c_void_p(-(-address // mmap.PAGESIZE) * mmap.PAGESIZE)
        ctypes.CDLL(None).mincore(first, ctypes.c_size_t(pages * mmap.PAGESIZE), ctypes.c_void_p(of_pages.ctypes.data))
    return (there & 1).mean()


@pytest.mark.skipif(_glibc() is None, reason="another C library")
def test_memory_is_kept_inside_the_block_and_given_back_after_it():
    with freed_memory_kept():
        arrays = [np.ones(50 * MIB, np.uint8) for _ in range(6)]
        places = [array.ctypes.data for array in arrays]
        del arrays
        kept = resident_share(places, 50 * MIB)
    assert kept > 0.7  # one of them may have found its place before
    assert resident_share(places, 50 * MIB) < 0.3


def test_an_error_passes_through():
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError("x")


@pytest.mark.skipif(_glibc() is None, reason="another C library")
def test_what_grows_by_holes_is_given_back_after_some_steps_and_no_sooner(monkeypatch):
    monkeypatch.setattr("prognoscope.core.memory.MOST_HOLES_MB", 100)
    with freed_memory_kept() as give_back_holes:
        arrays = [np.ones(50 * MIB, np.uint8) for _ in range(6)]
        places = [array.ctypes.data for array in arrays]
        del arrays
        for _ in range(STEPS_BETWEEN - 1):
            give_back_holes()
        assert resident_share(places, 50 * MIB) > 0.7
        give_back_holes()
        assert resident_share(places, 50 * MIB) < 0.3
