"""The toy cohort, made once."""

import pytest

from tests.training.toys import Toy, make_toy


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))
