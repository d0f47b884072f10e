"""Many slides in one mapped file: what comes out of it is what went in."""

import errno
import multiprocessing
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import DiskFullError, FeatureError, MissingFileError
from prognoscope.features.store import Embeddings, PackedEmbeddings, pack_embeddings

DIM = 6


def slide(name, n, *, dtype=np.float16, dim=DIM, located=True, encoder="stain", seed=0):
    rng = np.random.default_rng(seed + n)
    coords = rng.uniform(0, 9e4, (n, 2)).astype(np.float32) if located else None
    return Embeddings(name, rng.normal(size=(n, dim)).astype(dtype), coords_um=coords, encoder=encoder)


def as_loaders(bags):
    return {patient: [(one.slide, lambda one=one: one) for one in slides] for patient, slides in bags.items()}


@st.composite
def cohorts(draw):
    bags = {}
    for p in range(draw(st.integers(0, 4))):
        bags[f"p{p}"] = [
            slide(
                f"p{p}s{s}",
                draw(st.integers(0, 7)),
                dtype=draw(st.sampled_from([np.float16, np.float32])),
                located=draw(st.booleans()),
                seed=10 * p + s,
            )
            for s in range(draw(st.integers(0, 3)))
        ]
    return bags


@given(cohorts())
def test_bags_come_out_as_they_went_in(tmp_path_factory, bags):
    packed = pack_embeddings(as_loaders(bags), tmp_path_factory.mktemp("pack") / "bags.pack", "key")
    packed = PackedEmbeddings.open(packed.path)
    assert packed.patients == tuple(bags)
    assert packed.key == "key"
    half = all(one.features.dtype == np.float16 for slides in bags.values() for one in slides)
    for patient, slides in bags.items():
        features, coords = packed.bag(patient)
        assert features.dtype == (np.float16 if half else np.float32)
        assert np.array_equal(
            features, np.concatenate([np.zeros((0, packed.embedding_dim)), *(s.features for s in slides if len(s))])
        )
        if all(one.coords_um is not None for one in slides):
            assert np.array_equal(coords, np.concatenate([np.zeros((0, 2)), *(one.coords_um for one in slides)]))
        else:
            assert coords is None
        for (name, first, last), one in zip(packed.slides(patient), slides, strict=True):
            assert (name, last - first) == (one.slide, len(one))
            assert np.array_equal(features[first:last], one.features) or not len(one)


def test_the_same_cohort_gives_the_same_bytes(tmp_path):
    bags = {"a": [slide("a1", 5), slide("a2", 0)], "b": [slide("b1", 7)]}
    for name in ("one", "two"):
        pack_embeddings(as_loaders(bags), tmp_path / name, "k")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_bag_is_a_view_of_the_file_and_cannot_be_changed(tmp_path):
    packed = pack_embeddings(as_loaders({"a": [slide("a1", 5)]}), tmp_path / "pack", "k")
    features, _ = packed.bag("a")
    assert isinstance(features.base, np.memmap) or isinstance(features, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        features[0] = 0


def test_two_widths_name_a_slide_of_each_and_leave_nothing(tmp_path):
    bags = {"a": [slide("a1", 3)], "b": [slide("b1", 3, dim=9)]}
    with pytest.raises(FeatureError, match=r"Slide a1 has embeddings of length 6 and slide b1 has .* length 9"):
        pack_embeddings(as_loaders(bags), tmp_path / "pack", "k")
    assert list(tmp_path.iterdir()) == []


def test_two_encoders_name_a_slide_of_each(tmp_path):
    bags = {"a": [slide("a1", 3, encoder=None)], "b": [slide("b1", 3)], "c": [slide("c1", 3, encoder="uni_v1")]}
    with pytest.raises(
        FeatureError, match=r"1 slide by the encoder stain \(b1\); 1 slide by the encoder uni_v1 \(c1\)"
    ):
        pack_embeddings(as_loaders(bags), tmp_path / "pack", "k")
    assert pack_embeddings(as_loaders({"b": bags["b"]}), tmp_path / "pack", "k").origin.encoder == "stain"


def test_an_empty_slide_fits_any_width(tmp_path):
    bags = {"a": [slide("a1", 0, dim=0)], "b": [slide("b1", 3)], "c": [slide("c1", 0, dim=9)]}
    packed = pack_embeddings(as_loaders(bags), tmp_path / "pack", "k")
    assert packed.embedding_dim == DIM
    assert [len(packed.bag(patient)[0]) for patient in packed.patients] == [0, 3, 0]


def test_an_unknown_patient_and_a_broken_pack_are_named(tmp_path):
    packed = pack_embeddings(as_loaders({"a": [slide("a1", 3)]}), tmp_path / "pack", "k")
    with pytest.raises(FeatureError, match="Patient z is not among the 1 packed"):
        packed.bag("z")
    whole = packed.path.read_bytes()
    for part in (b"", whole[:10], whole[:-1], whole[30:][:-4]):
        (tmp_path / "broken").write_bytes(part)
        with pytest.raises(FeatureError, match="broken is not a whole file of packed embeddings"):
            PackedEmbeddings.open(tmp_path / "broken")
    with pytest.raises(MissingFileError, match="nowhere do not exist"):
        PackedEmbeddings.open(tmp_path / "nowhere")


def test_a_pack_is_replaced_whole_or_not_at_all(tmp_path):
    before = pack_embeddings(as_loaders({"a": [slide("a1", 3)]}), tmp_path / "pack", "old").path.read_bytes()

    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFullError, match="The disk is full"):
        pack_embeddings({"a": [("a1", lambda: slide("a1", 3)), ("a2", full)]}, tmp_path / "pack", "new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


def total_of(packed: PackedEmbeddings) -> float:
    return float(packed.bag("a")[0].sum(dtype=np.float64))


@pytest.mark.processes
def test_another_process_maps_the_file_instead_of_receiving_it(tmp_path):
    packed = pack_embeddings(as_loaders({"a": [slide("a1", 50_000)]}), tmp_path / "pack", "k")
    assert len(pickle.dumps(packed)) < 1000
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(total_of, (packed,)) == total_of(packed)


def test_each_patient_whose_bag_is_not_as_it_was_packed_is_found(tmp_path):
    bags = {name: [slide(f"{name}1", 9), slide(f"{name}2", 4)] for name in "abc"}
    packed = pack_embeddings(as_loaders(bags), tmp_path / "pack", "k")
    assert packed.damaged() == []
    whole = packed.path.read_bytes()
    del packed
    values = 39 * DIM * 2  # three bags of 13 patches in half precision, then coordinates
    for at, patient in ((0, "a"), (values // 2, "b"), (values - 1, "c"), (len(whole) - len(whole), "a")):
        (tmp_path / "pack").write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert PackedEmbeddings.open(tmp_path / "pack").damaged() == [patient]
    coords_at = -(-values // 64) * 64
    for at in (coords_at, coords_at + 13 * 8):
        (tmp_path / "pack").write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert PackedEmbeddings.open(tmp_path / "pack").damaged() == ["a" if at == coords_at else "b"]


def test_a_pack_with_bytes_lost_or_changed_in_its_index_is_not_opened(tmp_path):
    path = pack_embeddings(as_loaders({"a": [slide("a1", 50)]}), tmp_path / "pack", "k").path
    whole = path.read_bytes()
    middle = len(whole) // 4
    for broken in (whole[:middle] + whole[middle + 200 :], whole[:-40] + b"x" + whole[-39:], whole + b"x", b""):
        path.write_bytes(broken)
        with pytest.raises(FeatureError, match="is not a whole file of packed embeddings"):
            PackedEmbeddings.open(path)


def test_sums_are_of_the_content_of_a_bag_alone(tmp_path):
    bags = {"a": [slide("a1", 9)], "b": [slide("b1", 4)]}
    one = pack_embeddings(as_loaders(bags), tmp_path / "one", "k").sums
    other = pack_embeddings(as_loaders({"b": bags["b"]}), tmp_path / "other", "another").sums
    assert one["b"] == other["b"] != one["a"]
