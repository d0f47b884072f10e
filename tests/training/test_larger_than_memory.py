"""Bags that do not fit into memory train: they are read from the mapped file, step by step."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.data import BINS, DIM, equal_bags
from prognoscope.cohort.dataset import PatientDataset
from prognoscope.models.creation import create_model
from prognoscope.models.recipe import Recipe
from prognoscope.training.loop import fit
from prognoscope.training.predict import predict
from prognoscope.training.spec import TrainingSpec
from tests.forked import begin

resource = pytest.importorskip("resource")  # not on Windows
ROOM = 96 * 2**20  # bytes that a process may take besides what it has
PATIENTS, PATCHES = 300, 500  # 1 MB each in half precision
pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to an amount of data"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Iterator[PatientDataset]:
    """A cohort whose bags take more than the room there is."""
    folder = tmp_path_factory.mktemp("large")
    made = equal_bags(PATIENTS, PATCHES, folder / "x.bags")
    assert made.embeddings.nbytes > 3 * ROOM
    yield made
    shutil.rmtree(folder)  # which pytest would keep


@pytest.mark.parametrize("draw", [None, 200])
def test_bags_of_more_than_the_memory_that_there_is_train_and_predict(data, draw):
    process = begin(train_in_little, data, draw)
    process.join()
    assert process.exitcode == 0


def test_the_same_memory_does_not_hold_the_bags_themselves(data):
    process = begin(read_into_little, data)
    process.join()
    assert process.exitcode != 0


def train_in_little(data: PatientDataset, draw: int | None) -> None:
    """Train and predict with little memory more than the process has."""
    torch.set_num_threads(1)
    model, spec = (
        create_model("meanmil", embedding_dim=DIM, n_bins=BINS),
        TrainingSpec(choose="last", patches_per_pass=PATCHES),
    )
    how = Recipe(epochs=1, patients_per_step=4, patch_draw=draw)
    some = PatientDataset(data.outcome.take(np.arange(2)), data.target.take(slice(2)), (), None, data.embeddings)
    fit(model, some, recipe=how, spec=spec)  # what torch takes once is taken
    hold_to(ROOM)
    fit(model, data, recipe=how, spec=spec)
    assert len(predict(model, data, spec=spec).prediction.risk) == PATIENTS


def read_into_little(data: PatientDataset) -> None:
    """Read all bags, which must fail."""
    hold_to(ROOM)
    data.batch(range(PATIENTS))


def hold_to(more: int) -> None:
    """Let this process take so many bytes more of its own; pages of mapped files are not counted."""
    has = int(re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (has + more, has + more))
