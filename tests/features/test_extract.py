"""Extraction: whatever happens to slides, processes and disks, every file is whole and equals an unbroken run's."""

import errno
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from prognoscope.core.claims import claimed
from prognoscope.core.errors import DiskFullError, FeatureError, UnwritableError
from prognoscope.features import extract
from prognoscope.features.extract import FeatureSpec, extract_slides
from prognoscope.features.store import read_embeddings
from prognoscope.slides.preview import preview_path
from prognoscope.slides.readers import find_slides
from tests.features.painting import TISSUES, paint
from tests.forked import begin

SPEC = FeatureSpec(patch_px=128)
SIDE = 768  # pixels of a slide; a white frame of 128 leaves 4 x 4 patches of tissue at most


def write_slide(path: Path, seed: int, *, mpp: float | None = 0.5, empty: bool = False) -> Path:
    rng = np.random.default_rng(seed)
    level = np.full((SIDE, SIDE, 3), 255, np.uint8)
    if not empty:
        for y in (128, 384):
            for x in (128, 384):
                level[y : y + 256, x : x + 256] = paint(TISSUES[rng.integers(3)], rng)
    with tifffile.TiffWriter(path) as file:
        for i, image in enumerate([level, level[::2, ::2]]):
            resolution = {} if mpp is None else {"resolution": (1e4 / mpp / 2**i,) * 2, "resolutionunit": "CENTIMETER"}
            file.write(
                np.ascontiguousarray(image),
                tile=(128, 128),
                photometric="rgb",
                compression="deflate",
                metadata=None,
                subfiletype=int(i > 0),
                **resolution,
            )
    return path


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    return {f"s{i}": write_slide(folder / f"s{i}.tiff", i) for i in range(8)}


@pytest.fixture(scope="module")
def unbroken(slides, tmp_path_factory):
    """Slide -> the bytes of its file."""
    folder = tmp_path_factory.mktemp("unbroken")
    report = extract_slides(slides, folder, SPEC)
    assert (report.done, report.already, report.failed) == (tuple(slides), (), {})
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def some_of(slides, *names):
    return {name: slides[name] for name in names}


def test_a_file_holds_the_patches_of_its_slide(slides, unbroken, tmp_path):
    extract_slides(some_of(slides, "s0"), tmp_path, SPEC)
    read = read_embeddings(tmp_path / "s0.h5", "prognoscope")
    assert (read.slide, read.encoder, read.mpp, read.patch_um) == ("s0", "stain", 0.5, 64.0)
    assert read.features.dtype == np.float16
    assert 9 <= len(read) <= 25
    assert len(np.unique(read.coords_px, axis=0)) == len(read)
    assert read.coords_px.min() >= 0
    assert read.coords_px.max() <= SIDE - 128
    encoder = extract.create_encoder("stain")
    image = tifffile.imread(slides["s0"], key=0)
    alone = [encoder.encode(image[None, y : y + 128, x : x + 128], 0.5)[0] for x, y in read.coords_px]
    assert np.array_equal(read.features, np.stack(alone).astype(np.float16))


def test_attributes_are_tridents_and_ours(slides, tmp_path):
    extract_slides(some_of(slides, "s0"), tmp_path, SPEC)
    with h5py.File(tmp_path / "s0.h5") as file:
        coords, features = dict(file["coords"].attrs), dict(file["features"].attrs)
    assert {"patch_size", "patch_size_level0", "level0_magnification", "target_magnification", "overlap"} < set(coords)
    assert (coords["patch_size"], coords["patch_size_level0"], coords["mpp"], coords["overlap"]) == (128, 128, 0.5, 0)
    encoder = extract.create_encoder("stain")
    assert features["encoder"] == "stain"
    assert features["weights_hash"] == encoder.weights_hash
    assert features["spec_hash"] == SPEC.hash(encoder.weights_hash)


def test_extracting_twice_gives_equal_bytes_and_does_nothing_the_second_time(slides, unbroken, tmp_path):
    states = []
    for _ in range(2):
        report = extract_slides(slides, tmp_path, SPEC, on_progress=lambda *told: states.append(told))
    assert (report.done, report.already, report.failed) == ((), tuple(slides), {})
    assert states == [(s, "done") for s in slides] + [(s, "already") for s in slides]
    assert contents(tmp_path) == unbroken


@pytest.mark.processes
def test_several_processes_give_the_same_bytes(slides, unbroken, tmp_path):
    report = extract_slides(slides, tmp_path, SPEC, workers=2)
    assert report.done == tuple(slides)
    assert contents(tmp_path) == unbroken


@pytest.mark.processes
@pytest.mark.parametrize("workers", [1, 2])
def test_bad_slides_are_listed_and_stop_nobody(slides, unbroken, tmp_path, workers):
    bad = {
        "empty": write_slide(tmp_path / "empty.tiff", 0, empty=True),
        "without": write_slide(tmp_path / "without.tiff", 0, mpp=None),
        "text": tmp_path / "text.svs",
        "gone": tmp_path / "gone.svs",
    }
    bad["text"].write_text("not a slide")
    asked = {**some_of(slides, "s0"), **bad, **some_of(slides, "s1")}
    report = extract_slides(asked, tmp_path / "out", SPEC, workers=workers)
    assert report.done == ("s0", "s1")
    assert list(report.failed) == list(bad)
    assert report.failed["empty"].startswith("no tissue")
    assert "mpp" in report.failed["without"]
    assert "text.svs" in report.failed["text"]
    assert "gone.svs" in report.failed["gone"]
    assert contents(tmp_path / "out") == {name: unbroken[name] for name in ("s0.h5", "s1.h5")}
    mended = extract_slides(some_of(bad, "without"), tmp_path / "out", SPEC, mpp={"without": 0.5})
    assert mended.done == ("without",)


def test_real_slides_and_the_damaged_ones_beside_them(data_pack, tmp_path):
    found = find_slides(data_pack / "slides")
    report = extract_slides(found, tmp_path, FeatureSpec())
    assert report.done == ("CMU-1-Small-Region",)
    assert set(report.failed) == set(found) - set(report.done) >= {"unopenable", "unreadable", "small"}
    assert report.failed["small"].startswith("no tissue")
    read = read_embeddings(tmp_path / "CMU-1-Small-Region.h5")
    assert 25 <= len(read) <= 45  # 33 of its 88 squares are more than half tissue by another rule
    assert (read.mpp, read.magnification) == (0.499, 20.0)
    assert read.patch_um == pytest.approx(128)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["CMU-1-Small-Region.h5"]


def test_a_slide_too_small_for_any_patch_says_so(slides, tmp_path):
    report = extract_slides(some_of(slides, "s0"), tmp_path, FeatureSpec(patch_px=2000))
    assert report.failed["s0"].startswith("no patches")
    assert (
        "s0.tiff it is smaller than one patch of 1000 um; lower features.min_tissue or patch_px" in report.failed["s0"]
    )
    assert contents(tmp_path) == {}


def test_every_slide_has_a_preview_whether_it_gave_patches_or_not(slides, tmp_path):
    empty = write_slide(tmp_path / "empty.tiff", 0, empty=True)
    report = extract_slides({"P1/s0": slides["s0"], "P2/empty": empty}, tmp_path / "out", SPEC)
    assert report.done == ("P1/s0",)
    assert (tmp_path / "out" / "P1" / "s0.h5").is_file()
    for slide in ("P1/s0", "P2/empty"):
        with Image.open(preview_path(tmp_path / "out", slide)) as picture:
            assert picture.width == 800
            assert picture.format == "JPEG"
    assert (
        "empty.tiff: it is blank, with a saturation of 0 at most; scan it again, or leave" in report.failed["P2/empty"]
    )


def test_slides_coarser_than_their_patches_are_told_every_time(slides, tmp_path):
    mpp = {"s0": 0.75, "s1": 1.0}
    for _ in range(2):
        report = extract_slides(some_of(slides, "s0", "s1", "s2"), tmp_path, SPEC, mpp=mpp)
        (note,) = report.notes
        assert note.startswith(
            "2 slides of 3 are coarser than the 0.5 um per pixel of their patches, which are enlarged"
        )
        assert "s1 2.0 times, s0 1.5 times" in note


def test_a_slide_of_which_much_is_ink_is_told(tmp_path):
    level = tifffile.imread(write_slide(tmp_path / "a.tiff", 0), key=0)
    level[640:, :] = (20, 110, 60)
    tifffile.imwrite(
        tmp_path / "a.tiff", level, tile=(128, 128), resolution=(2e4, 2e4), resolutionunit=3, photometric="rgb"
    )
    (note,) = extract_slides({"a": tmp_path / "a.tiff"}, tmp_path / "out", SPEC).notes
    assert re.match(r"Much was taken for ink of pens in 1 slide, of all that has colour: a \d+%\. Look at", note)


def test_a_slide_of_which_much_is_too_pale_to_count_is_told(tmp_path):
    level = np.full((1024, 1024, 3), 243, np.uint8)
    level[128:896, 128:512], level[128:896, 512:896] = (216, 222, 238), (80, 40, 12)
    tifffile.imwrite(
        tmp_path / "a.tiff", level, tile=(128, 128), resolution=(2e4, 2e4), resolutionunit=3, photometric="rgb"
    )
    (note,) = extract_slides({"a": tmp_path / "a.tiff"}, tmp_path / "out", SPEC).notes
    assert re.match(r"Much stands out of the glass in 1 slide .* a \d+%\. .* set features\.tissue\.saturation", note)


def test_another_spec_is_an_error_before_any_work(slides, tmp_path):
    extract_slides(some_of(slides, "s0"), tmp_path, SPEC)
    other = FeatureSpec(patch_px=96)
    hashes = [spec.hash(extract.create_encoder("stain").weights_hash) for spec in (SPEC, other)]
    with pytest.raises(FeatureError, match="Extract into another folder, or remove these files") as error:
        extract_slides(some_of(slides, "s0", "s1"), tmp_path, other)
    assert all(each in str(error.value) for each in hashes)
    assert not (tmp_path / "s1.h5").exists()


def test_a_slide_that_was_converted_again_is_embedded_again(tmp_path, caplog):
    slides = {name: write_slide(tmp_path / f"{name}.tiff", seed) for seed, name in enumerate("ab")}
    extract_slides(slides, tmp_path / "out", SPEC)
    before = read_embeddings(tmp_path / "out" / "a.h5").features
    write_slide(slides["a"], 7, mpp=0.25)
    report = extract_slides(slides, tmp_path / "out", SPEC)
    assert (report.done, report.already) == (("a",), ("b",))
    assert caplog.text.count("Embedded again: 1 slide: a (the slide has changed since)") == 1
    after = read_embeddings(tmp_path / "out" / "a.h5")
    assert after.mpp == 0.25 and (after.features.shape != before.shape or (after.features != before).any())
    assert extract_slides(slides, tmp_path / "out", SPEC).already == ("a", "b")


def test_a_resolution_that_was_given_and_taken_back_does_not_stay(slides, tmp_path, caplog):
    one = some_of(slides, "s0")
    for given, resolution, why in (
        (None, 0.5, ""),
        (0.25, 0.25, "um per pixel: given by the file then, 0.25 now"),
        (None, 0.5, "um per pixel: given 0.25 then, by the file now"),
    ):
        assert extract_slides(one, tmp_path, SPEC, mpp=given).done == ("s0",)
        assert read_embeddings(tmp_path / "s0.h5").mpp == resolution and why in caplog.text
        assert extract_slides(one, tmp_path, SPEC, mpp=given).already == ("s0",)


def test_embeddings_of_an_earlier_version_are_kept_if_their_resolution_is_that_of_the_slide(slides, tmp_path):
    one = some_of(slides, "s0")
    extract_slides(one, tmp_path, SPEC)
    with h5py.File(tmp_path / "s0.h5", "r+") as file:
        del file["features"].attrs["slide_sum"], file["features"].attrs["mpp_given"]
    assert extract_slides(one, tmp_path, SPEC).already == ("s0",)
    with h5py.File(tmp_path / "s0.h5", "r+") as file:
        file["coords"].attrs.modify("mpp", 0.25)
    assert extract_slides(one, tmp_path, SPEC).done == ("s0",)


def test_files_made_elsewhere_are_not_overwritten(slides, tmp_path):
    with h5py.File(tmp_path / "s0.h5", "w") as file:
        file["features"] = np.zeros((1, 2), np.float32)
    before = (tmp_path / "s0.h5").read_bytes()
    with pytest.raises(FeatureError, match="made elsewhere"):
        extract_slides(some_of(slides, "s0"), tmp_path, SPEC)
    assert (tmp_path / "s0.h5").read_bytes() == before


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_truncated_file_is_made_again(slides, unbroken, tmp_path, share):
    whole = unbroken["s0.h5"]
    (tmp_path / "s0.h5").write_bytes(whole[: int(len(whole) * share)])
    assert extract_slides(some_of(slides, "s0"), tmp_path, SPEC).done == ("s0",)
    assert (tmp_path / "s0.h5").read_bytes() == whole


def test_a_full_disk_stops_with_one_sentence_and_keeps_what_is_whole(slides, unbroken, tmp_path, monkeypatch):
    room = [len(unbroken["s0.h5"])]
    write = Path.write_bytes

    def limited(self, data):
        room[0] -= len(data)
        if room[0] < 0:
            write(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", limited)
    with pytest.raises(DiskFullError, match=r"The disk is full: .*s1\.h5 was not written"):
        extract_slides(slides, tmp_path, SPEC)
    assert contents(tmp_path) == {"s0.h5": unbroken["s0.h5"]}
    monkeypatch.undo()
    assert extract_slides(slides, tmp_path, SPEC).already == ("s0",)
    assert contents(tmp_path) == unbroken


def test_embeddings_that_do_not_fit_half_precision_fail_their_slide(slides, tmp_path, monkeypatch):
    class Loud:
        name, embedding_dim, weights_hash = "loud", 3, "w"

        def encode(self, patches, mpp):
            return np.full((len(patches), 3), 1e6, np.float32)

    monkeypatch.setattr(extract, "_encoder", lambda *asked: Loud())
    report = extract_slides(some_of(slides, "s0"), tmp_path, SPEC)
    assert "embeddings in s0 are NaN or infinite" in report.failed["s0"]
    assert contents(tmp_path) == {}


def test_an_unknown_encoder_stops_before_any_slide(slides, tmp_path):
    with pytest.raises(FeatureError, match="did you mean 'stain'"):
        extract_slides(slides, tmp_path, FeatureSpec(encoder="stian"))


real_extract_one = extract.extract_one


def die_on_s1(job):
    """Stands for a reader whose C code takes the process down."""
    if job.slide == "s1":
        os._exit(1)
    return real_extract_one(job)


@pytest.mark.processes
def test_a_slide_that_kills_its_process_is_found_and_listed(slides, unbroken, tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "extract_one", die_on_s1)
    report = extract_slides(some_of(slides, "s0", "s1", "s2"), tmp_path, SPEC, workers=2)
    # one that was written whole just before its process was taken down too counts as there when it is tried again
    assert sorted((*report.done, *report.already)) == ["s0", "s2"]
    assert "s1.tiff died, perhaps for want of memory" in report.failed["s1"]
    assert contents(tmp_path) == {name: unbroken[name] for name in ("s0.h5", "s2.h5")}


def test_two_extractions_of_one_folder_share_the_slides_on_a_disk_that_is_slow(slides, unbroken, tmp_path, monkeypatch):
    flush = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (time.sleep(0.1), flush(number)))
    monkeypatch.setattr("prognoscope.core.claims.LOOK_S", 0.01)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(extract_slides, slides, tmp_path, SPEC) for _ in range(2)]
        reports = [each.result() for each in both]
    assert all(report.failed == {} for report in reports)
    assert sorted(slide for report in reports for slide in report.done) == sorted(slides)  # each once
    assert all(set(report.done) | set(report.already) == set(slides) for report in reports)
    assert contents(tmp_path) == unbroken


def test_a_slide_that_another_process_holds_is_waited_for_and_said(slides, unbroken, tmp_path, monkeypatch, caplog):
    path = tmp_path / ".s1.claim"
    with ThreadPoolExecutor(1) as pool, claimed(path, "extracting s1"):
        waiting = pool.submit(extract_slides, some_of(slides, "s0", "s1"), tmp_path, SPEC)
        deadline = time.monotonic() + 60
        while "waiting for another process" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
        (tmp_path / "s1.h5").write_bytes(unbroken["s1.h5"])  # as that process leaves it
        path.unlink()
        assert waiting.result().done == ("s0",) and waiting.result().already == ("s1",)
    assert "which works on s1" in caplog.text


def test_memory_that_runs_out_names_the_slide_and_the_cure(slides, tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError("Unable to allocate 9 GiB")

    monkeypatch.setattr(extract, "segment_tissue", fail)
    reason = extract_slides(some_of(slides, "s0"), tmp_path, SPEC).failed["s0"]
    assert "not enough memory to extract" in reason and "s0.tiff; use fewer --jobs" in reason


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO])
def test_a_folder_that_cannot_be_written_to_stops_at_the_first_slide(slides, tmp_path, monkeypatch, number):
    def fail(self, data):
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(UnwritableError, match=r"s0\.h5 could not be written"):
        extract_slides(slides, tmp_path, SPEC)
    assert contents(tmp_path) == {}


def extract_all(folder: Path, out: Path, workers: int) -> None:
    """In a process of its own: what it did is counted in a file."""
    found = {path.stem: path for path in sorted(folder.glob("*.tiff"))}
    report = extract_slides(found, out, SPEC, workers=workers)
    (folder / "counted.txt").write_text(f"{len(report.done)} {len(report.already)}")


@pytest.mark.processes
@pytest.mark.parametrize(("workers", "kills", "longest_s"), [(1, 5, 0.5), (2, 2, 1.0)])
def test_killed_at_random_moments_and_started_again_gives_the_same_bytes(
    slides, unbroken, tmp_path, workers, kills, longest_s
):
    out = tmp_path / "out"
    arguments = (slides["s0"].parent, out, workers)
    rng = np.random.default_rng(workers)
    finished = {}  # file -> its inode, to see that none is written twice
    for wait_s in rng.uniform(0, longest_s, kills):
        run = begin(extract_all, *arguments)
        run.join(wait_s)
        run.kill()
        run.join()
        now = {path.name: path.stat().st_ino for path in out.glob("[!.]*.h5")} if out.exists() else {}
        assert finished.items() <= now.items()
        assert all((out / name).read_bytes() == unbroken[name] for name in now)
        finished = now
    last = begin(extract_all, *arguments)
    last.join()
    done, already = map(int, (slides["s0"].parent / "counted.txt").read_text().split())
    assert (already, done + already) == (len(finished), len(slides))
    assert contents(out) == unbroken
