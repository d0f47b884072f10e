import ctypes
from pathlib import Path

import numpy as np
import pytest

from prognoscope.core.memory import _glibc, freed_memory_kept

STATUS = Path("/proc/self/status")
MIB = 2**20


def resident_mb():
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@pytest.mark.skipif(_glibc() is None or not STATUS.is_file(), reason="another C library, or no /proc")
def test_memory_is_kept_inside_the_block_and_given_back_after_it():
    ctypes.CDLL(None).malloc_trim(0)  # or what earlier tests have freed is used again, and nothing grows
    before = resident_mb()
    with freed_memory_kept():
        arrays = [np.ones(50 * MIB, np.uint8) for _ in range(6)]
        del arrays
        kept = resident_mb() - before
    assert kept > 250
    assert resident_mb() - before < 100


def test_an_error_passes_through():
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError("x")
