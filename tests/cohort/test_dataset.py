"""Batches hold what the packed file and the tables hold; reading ahead keeps order, errors and threads."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.cohort import resident
from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.dataset import PatientDataset, cut_into_passes, loaded_ahead, open_bags, prepared_dataset
from prognoscope.cohort.preparation import Preparation
from prognoscope.cohort.resident import ResidentEmbeddings
from prognoscope.core.batch import Target
from prognoscope.core.errors import FeatureError
from prognoscope.core.outcome import Outcome
from prognoscope.features.store import Embeddings, pack_embeddings

DIM = 5
LENGTHS = {"a": (3,), "b": (2, 4), "c": (0,), "d": (), "e": (7,)}


def pack(path: Path, dtype=np.float16, located=True):
    rng, bags = np.random.default_rng(0), {}
    for patient, lengths in LENGTHS.items():
        slides = []
        for s, n in enumerate(lengths):
            coords = rng.uniform(0, 1e5, (n, 2)).astype(np.float32) if located or patient != "b" else None
            one = Embeddings(f"{patient}{s}", rng.normal(size=(n, DIM)).astype(dtype), coords_um=coords)
            slides.append((one.slide, lambda one=one: one))
        bags[patient] = slides
    return pack_embeddings(bags, path, "key")


def dataset(embeddings=None, patients=tuple(LENGTHS)) -> PatientDataset:
    n = len(patients)
    outcome = Outcome(patients, np.arange(1.0, n + 1), np.arange(n) % 2 == 0)
    time = torch.arange(1.0, n + 1)
    target = Target(torch.arange(n) % 3, torch.arange(n) % 2 == 0, time, torch.tensor([0, 1, -1, 0, 1])[:n])
    omics = (torch.arange(2.0 * n).view(n, 2), -torch.arange(3.0 * n).view(n, 3))
    return PatientDataset(outcome, target, omics, torch.ones(n, 1) * time[:, None], embeddings)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@given(index=st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_a_batch_holds_the_rows_of_its_patients(dtype, index, tmp_path_factory):
    packed = pack(tmp_path_factory.mktemp("pack") / "x.bags", dtype)
    data = dataset(packed)
    batch = data.batch(index)
    assert batch.patients == tuple(data.patients[i] for i in index)
    bags = batch.inputs.bags
    assert bags.values.dtype == torch.float32 and bags.lengths.tolist() == [data.lengths[i] for i in index]
    for one, i in zip(bags.each(), index, strict=True):
        values, coords = packed.bag(data.patients[i])
        assert np.array_equal(one.values.numpy(), values.astype(np.float32))
        assert np.array_equal(one.coords.numpy(), coords)
    assert batch.inputs.omics[1][:, 0].tolist() == [-3.0 * i for i in index]
    assert batch.inputs.clinical[:, 0].tolist() == batch.target.time.tolist() == [i + 1.0 for i in index]
    assert batch.target.bin.tolist() == [i % 3 for i in index]
    assert batch.target.subtype.tolist() == [[0, 1, -1, 0, 1][i] for i in index]


def test_a_batch_is_a_copy_that_may_be_written_to(tmp_path):
    data = dataset(pack(tmp_path / "x.bags", np.float32))
    data.batch([0]).inputs.bags.values.zero_()
    assert data.batch([0]).inputs.bags.values.any()


def test_lengths_count_patches_of_all_slides(tmp_path):
    assert dataset(pack(tmp_path / "x.bags")).lengths == [3, 6, 0, 0, 7]
    assert dataset().lengths == [0] * 5
    assert dataset().batch([1, 2]).inputs.bags.lengths.tolist() == [0, 0]


def test_coordinates_are_there_only_if_every_bag_has_them(tmp_path):
    data = dataset(pack(tmp_path / "x.bags", located=False))
    assert data.batch([0, 4]).inputs.bags.coords is not None
    assert data.batch([0, 1]).inputs.bags.coords is None


def test_a_patient_who_is_not_packed_is_named(tmp_path):
    data = dataset(pack(tmp_path / "x.bags"), ("a", "b", "z"))
    with pytest.raises(FeatureError, match="Patient z is not among the 5 packed"):
        data.batch([2])


def test_prepared_patients_are_those_asked_for_in_their_order():
    patients = tuple("abcdefgh")
    outcome = Outcome(patients, np.arange(1.0, 9.0), np.ones(8, dtype=bool))
    cohort = Cohort("tiny", outcome, subtype={"a": "x", "b": "y", "h": "x"})
    preparation = Preparation.fit(cohort, patients[:4], n_bins=2)
    data = prepared_dataset(cohort, ("h", "c", "a"), preparation)
    assert data.patients == ("h", "c", "a")
    assert data.target.time.tolist() == [8.0, 3.0, 1.0]
    assert data.target.bin.tolist() == [1, 1, 0]
    assert data.target.subtype.tolist() == [0, -1, 0]
    assert data.omics == () and data.clinical is None


def loader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("loader")]


@given(sizes=st.lists(st.integers(0, 4), max_size=6))
def test_reading_ahead_gives_every_part_once_and_in_order(sizes, tmp_path_factory):
    data = dataset(pack(tmp_path_factory.mktemp("pack") / "x.bags"))
    parts = [list(range(size + 1)) for size in sizes]
    assert [list(batch.patients) for batch in loaded_ahead(data, parts, "cpu")] == [
        [data.patients[i] for i in part] for part in parts
    ]
    assert not loader_threads()


def test_an_error_of_reading_reaches_the_caller_and_ends_the_thread(tmp_path):
    data = dataset(pack(tmp_path / "x.bags"), ("a", "b", "z"))
    batches = loaded_ahead(data, [[0], [1], [2], [0]], "cpu")
    assert next(batches).patients == ("a",)
    assert next(batches).patients == ("b",)
    with pytest.raises(FeatureError, match="Patient z"):
        next(batches)
    assert not loader_threads()
    with pytest.raises(StopIteration):
        next(batches)


@pytest.mark.parametrize("located", [True, False])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_embeddings_held_on_a_device_give_the_same_batches_bit_for_bit(dtype, located, tmp_path):
    packed = pack(tmp_path / "x.bags", dtype, located)
    read = dataset(packed)
    held = replace(read, resident=ResidentEmbeddings(packed, "cpu"))
    parts = [[0, 4], [3], [1, 1, 2], [4, 0, 3, 2, 1]]
    pairs = zip(loaded_ahead(read, parts, "cpu"), loaded_ahead(held, parts, "cpu"), strict=True)
    for from_file, from_device in pairs:
        ours, theirs = from_device.inputs.bags, from_file.inputs.bags
        assert torch.equal(ours.values, theirs.values) and ours.values.dtype == torch.float32
        assert torch.equal(ours.lengths, theirs.lengths)
        assert (ours.coords is None) == (theirs.coords is None)
        assert ours.coords is None or torch.equal(ours.coords, theirs.coords)
        assert torch.equal(from_device.target.patient, from_file.target.patient)
    assert held.fingerprint == read.fingerprint
    held.batch([0]).inputs.bags.values.zero_()
    assert held.batch([0]).inputs.bags.values.any()


def test_embeddings_are_held_only_on_a_gpu_with_room(tmp_path, monkeypatch):
    class OnCPU(ResidentEmbeddings):
        def __init__(self, packed, device):
            super().__init__(packed, "cpu")

    data = dataset(pack(tmp_path / "x.bags"))
    size = data.embeddings.nbytes
    assert data.near("cpu").resident is None and dataset().near("cuda").resident is None
    monkeypatch.setattr(resident, "ResidentEmbeddings", OnCPU)
    for device, free in {"cuda:0": size, "cuda:1": 2 * size}.items():
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 10 * size))
        assert (data.near(device).resident is not None) == (free > size)
    assert data.near("cuda:1").resident is data.near("cuda:1").resident  # all folds share one copy


def test_a_caller_who_stops_early_ends_the_thread_and_what_was_not_begun(tmp_path, monkeypatch):
    data, begun = dataset(pack(tmp_path / "x.bags")), []
    read = PatientDataset.batch

    def slowly(self, index, *how):
        begun.append(index)
        time.sleep(0.01)
        return read(self, index, *how)

    monkeypatch.setattr(PatientDataset, "batch", slowly)
    batches = loaded_ahead(data, [[i % 5] for i in range(50)], "cpu")
    next(batches)
    assert loader_threads()
    batches.close()
    assert not loader_threads()
    assert len(begun) <= 2  # the one that was asked for, and the next


@given(
    lengths=st.lists(st.integers(0, 50), min_size=1, max_size=20),
    most=st.integers(1, 100),
    most_patients=st.one_of(st.none(), st.integers(1, 5)),
)
def test_passes_are_as_long_as_they_may_be_and_no_longer(lengths, most, most_patients):
    passes = list(cut_into_passes(range(len(lengths)), lengths, most, most_patients))
    assert [i for part in passes for i in part] == list(range(len(lengths)))
    for part, following in zip(passes, [*passes[1:], None], strict=True):
        total = sum(lengths[i] for i in part)
        assert len(part) == 1 or total <= most
        assert most_patients is None or len(part) <= most_patients
        if following:
            assert total + lengths[following[0]] > most or len(part) == most_patients


def test_a_fingerprint_tells_apart_what_would_train_differently(tmp_path):
    packed, other_pack = pack(tmp_path / "x.bags"), open_bags(tmp_path / "x.bags")
    other_pack.key = "other"
    renamed, moved, unlabelled = dataset(packed, ("a", "b", "c", "e", "d")), dataset(packed), dataset(packed)
    moved.clinical[2, 0] += 1e-6
    unlabelled.target.subtype[0] = -1
    prints = [
        data.fingerprint for data in (dataset(packed), dataset(), dataset(other_pack), renamed, unlabelled, moved)
    ]
    assert len(set(prints)) == 6
    assert dataset(packed).fingerprint == prints[0]
