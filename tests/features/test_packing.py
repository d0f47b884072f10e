"""Many slides in one mapped file: what comes out of it is what went in."""

import errno
import multiprocessing
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import DiskFullError, FeatureError, MissingFileError
from prognoscope.core.files import digest
from prognoscope.features import packing
from prognoscope.features.store import Embeddings, PackedEmbeddings, pack_embeddings, remove_unused_packs
from tests.run_files import contents

DIM = 6


def slide(name, n, *, dtype=np.float16, dim=DIM, located=True, encoder="stain", seed=0):
    rng = np.random.default_rng(seed + n)
    coords = rng.uniform(0, 9e4, (n, 2)).astype(np.float32) if located else None
    return Embeddings(name, rng.normal(size=(n, dim)).astype(dtype), coords_um=coords, encoder=encoder)


def as_loaders(bags):
    return {patient: [(one.slide, lambda one=one: one) for one in slides] for patient, slides in bags.items()}


def packed_beside(bags, folder, asked=None):
    """Packed under the content of each bag, so that a file that is there is used; `asked` has who was read."""
    told = {
        patient: [(one.slide, lambda one=one: (asked is not None and asked.append(one.slide)) or one) for one in slides]
        for patient, slides in bags.items()
    }
    standing = {patient: "".join(str(one.features.tobytes()) for one in slides) for patient, slides in bags.items()}
    return pack_embeddings(told, folder / f"{digest(standing)}.bags", digest(standing), standing)


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
    pack_embeddings(as_loaders({"a": [slide("a1", 3)]}), tmp_path / "pack", "old")
    before = contents(tmp_path)

    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFullError, match="The disk is full"):
        pack_embeddings({"a": [("a1", lambda: slide("a1", 3)), ("a2", full)]}, tmp_path / "pack", "new")
    assert contents(tmp_path) == before


def total_of(packed: PackedEmbeddings) -> float:
    return float(packed.bag("a")[0].sum(dtype=np.float64))


@pytest.mark.processes
def test_another_process_maps_the_file_instead_of_receiving_it(tmp_path):
    packed = pack_embeddings(as_loaders({"a": [slide("a1", 50_000)]}), tmp_path / "pack", "k")
    assert len(pickle.dumps(packed)) < 1000
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(total_of, (packed,)) == total_of(packed)


def test_a_file_of_bags_with_bytes_lost_or_changed_is_told_and_made_anew(tmp_path, caplog):
    bags = {name: [slide(f"{name}1", 9), slide(f"{name}2", 4)] for name in "abc"}
    packed = packed_beside(bags, tmp_path)
    _, shard = packed.files
    before, whole, bag = contents(tmp_path), shard.read_bytes(), 13 * DIM * 2
    at_coords = -(-bag // 64) * 64
    a_bag = -(-(at_coords + 13 * 8) // 64) * 64
    for at, patient in ((0, "a"), (at_coords, "a"), (a_bag + bag // 2, "b"), (2 * a_bag + bag - 1, "c")):
        caplog.clear()
        shard.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        packed_beside(bags, tmp_path)
        assert f"changed or damaged in the bags of {patient}." in caplog.text and contents(tmp_path) == before
    middle = len(whole) // 4
    for broken in (whole[:middle] + whole[middle + 200 :], whole[:-40] + b"x" + whole[-39:], whole + b"x", b""):
        caplog.clear()
        shard.write_bytes(broken)
        with pytest.raises(FeatureError, match="shard is not a whole file of packed embeddings"):
            PackedEmbeddings.open(packed.path)
        packed_beside(bags, tmp_path)
        assert "is not a whole file" in caplog.text and contents(tmp_path) == before
    shard.unlink()
    packed_beside(bags, tmp_path)
    assert contents(tmp_path) == before


def test_of_a_cohort_that_grows_or_changes_only_what_is_new_is_read_and_written(tmp_path):
    bags = {f"p{i}": [slide(f"p{i}s", 40, seed=i)] for i in range(30)}
    first = packed_beside(bags, tmp_path)
    _, shard = first.files
    there = shard.stat()
    bags["p3"] = [slide("p3s", 40, seed=99)]
    del bags["p5"]
    bags["p30"] = [slide("p30s", 40, seed=30)]
    asked = []
    packed = packed_beside(bags, tmp_path, asked)
    assert asked == ["p3s", "p30s"] and packed.patients == tuple(bags)
    assert shard in packed.files and shard.stat() == there
    for patient, (one,) in bags.items():
        assert np.array_equal(packed.bag(patient)[0], one.features)
    fresh = pack_embeddings(as_loaders(bags), tmp_path / "fresh" / "pack", "k")
    assert packed.sums == fresh.sums  # whatever files bags lie in
    index = packed.path.stat()
    assert packed_beside(bags, tmp_path, asked).path.stat() == index and len(asked) == 2


def test_two_who_pack_the_same_at_once_agree_on_files_and_take_each_others(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "LEAST", 4)
    bags = {f"p{i}": [slide(f"p{i}s", 9, seed=i)] for i in range(16)}
    asked, others, write = [], [], packing.write_shard

    def meddled(path, *what):
        if "p4" in what[0] and not others:  # while the second file is written, another process packs all
            others.append(None)
            others[0] = packed_beside(bags, tmp_path)
        return write(path, *what)

    monkeypatch.setattr(packing, "write_shard", meddled)
    packed = packed_beside(bags, tmp_path, asked)
    assert (
        list(packed.files) == list(others[0].files)
        and len(packed.files) == 5
        and set(tmp_path.iterdir()) == set(packed.files)
    )
    assert asked == [f"p{i}s" for i in range(8)]


def test_an_index_is_not_written_again_for_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "LEAST", 4)
    bags = {f"p{i}": [slide(f"p{i}s", 5 + 7 * i % 31, seed=i)] for i in range(30)}
    there = packed_beside(bags, tmp_path).path.stat().st_ino
    assert packed_beside(bags, tmp_path).path.stat().st_ino == there


def test_a_file_of_which_less_than_half_is_used_is_left_and_removed_when_nobody_has_it_open(tmp_path):
    bags = {f"p{i}": [slide(f"p{i}s", 40, seed=i)] for i in range(10)}
    packed = packed_beside(bags, tmp_path)
    old = list(packed.files)
    for i in range(6):
        bags[f"p{i}"] = [slide(f"p{i}s", 40, seed=99 + i)]
    asked = []
    now = packed_beside(bags, tmp_path, asked)
    assert len(asked) == 10 and not set(now.files) & set(old)
    remove_unused_packs(now)
    assert all(path.is_file() for path in old)
    del packed
    remove_unused_packs(now)
    assert set(tmp_path.iterdir()) == set(now.files)


def test_a_pack_that_grows_again_and_again_has_a_bounded_number_of_files(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "MOST", 4)
    monkeypatch.setattr(packing, "LEAST", 2)
    bags, most = {}, 0
    for i in range(24):
        bags[f"p{i}"] = [slide(f"p{i}s", 10, seed=i)]
        packed = packed_beside(bags, tmp_path)
        remove_unused_packs(packed)
        most = max(most, len(packed.files))
        assert set(tmp_path.iterdir()) == set(packed.files)
    assert 4 <= most <= 16 and packed.patients == tuple(bags)


def test_a_bag_of_half_precision_stays_so_on_disk_beside_one_of_single(tmp_path):
    bags = {"a": [slide("a1", 5)], "b": [slide("b1", 3), slide("b2", 3, dtype=np.float32)]}
    packed = packed_beside(bags, tmp_path)
    assert [packed.bag(patient)[0].dtype for patient in "ab"] == [np.float32, np.float32]
    del bags["b"]
    assert packed_beside(bags, tmp_path).bag("a")[0].dtype == np.float16
    assert packed_beside(bags, tmp_path).sums["a"] == packed.sums["a"]


def test_files_of_another_form_are_not_opened(tmp_path):
    (tmp_path / "pack").write_bytes(b"of an earlier version" + b"\x20" + bytes(15) + b"PROGNOSCOPEBAGS2")
    with pytest.raises(FeatureError, match="is not a whole file of packed embeddings"):
        PackedEmbeddings.open(tmp_path / "pack")


def test_sums_are_of_the_content_of_a_bag_alone(tmp_path):
    bags = {"a": [slide("a1", 9)], "b": [slide("b1", 4)]}
    one = pack_embeddings(as_loaders(bags), tmp_path / "one", "k").sums
    other = pack_embeddings(as_loaders({"b": bags["b"]}), tmp_path / "other", "another").sums
    assert one["b"] == other["b"] != one["a"]
