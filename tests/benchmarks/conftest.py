"""What tests of measurements share."""

import gc

import pytest


@pytest.fixture(scope="module", autouse=True)
def frozen():
    """Whatever earlier tests left is not looked through again before every measurement of memory."""
    gc.collect()
    gc.freeze()
