import json

import numpy as np
import pytest

from prognoscope.core.errors import SlideError
from prognoscope.slides.content import slide_sum
from prognoscope.slides.readers import find_slides, look_for_slides, open_slide
from prognoscope.slides.readers.base import need_mpp
from prognoscope.slides.readers.ome_zarr import OmeZarrSlide
from prognoscope.study.folder_extraction import extract_folder
from tests.slides.scene import pixels

zarr = pytest.importorskip("zarr")
SIZE = (530, 370)
ROLES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def write_zarr(path, *, version="0.4", axes="tczyx", um=(0.25, "micrometer"), chunk=100, picture=None, omero=None):
    """The scene in three levels, with JSON as the specification words it."""
    format_of = {"0.4": 2, "0.5": 3}.get(version, 2)
    group = zarr.open_group(store=str(path), mode="w", zarr_format=format_of)
    levels = [pixels(*SIZE, each) for each in (1, 2, 4)] if picture is None else [picture]
    datasets = []
    for k, level in enumerate(levels):
        held = np.moveaxis(level[None, None], -1, 1) if level.ndim == 3 else level[None, None, None]  # t c z y x
        held = np.expand_dims(held, 2) if held.ndim == 4 else held
        kept = tuple(slice(None) if name in axes else 0 for name in "tczyx")
        held = held[kept].transpose([[n for n in "tczyx" if n in axes].index(name) for name in axes])
        chunks = tuple(chunk if name in "yx" else 1 for name in axes)
        more = {"chunk_key_encoding": {"name": "v2", "separator": "/"}} if format_of == 2 else {}
        array = group.create_array(str(k), shape=held.shape, dtype=held.dtype, chunks=chunks, **more)
        array[...] = held
        scale = [{"type": "scale", "scale": [float(2**k) if name in "yx" else 1.0 for name in axes]}]
        datasets.append({"path": str(k), "coordinateTransformations": scale})
    unit = {"unit": um[1]} if um[1] else {}
    multiscale = {
        "axes": [{"name": name, "type": ROLES[name], **(unit if name in "zyx" else {})} for name in axes],
        "datasets": datasets,
        "coordinateTransformations": [{"type": "scale", "scale": [um[0] if name in "yx" else 1.0 for name in axes]}],
    }
    told = {"multiscales": [multiscale], **({"omero": omero} if omero else {})}
    if version == "0.5":
        group.attrs["ome"] = {"version": "0.5", **told}
    else:
        multiscale["version"] = version
        group.attrs.update(told)
    return path


@pytest.mark.parametrize(("version", "axes"), [("0.4", "tczyx"), ("0.5", "cyx"), ("0.5", "yxc")])
def test_pixels_of_every_level_are_those_of_the_arrays(tmp_path, version, axes):
    path = write_zarr(tmp_path / "a.ome.zarr", version=version, axes=axes)
    with open_slide(path) as slide:
        assert isinstance(slide, OmeZarrSlide)
        assert (slide.size_px, slide.level_downsamples, slide.mpp) == (SIZE, (1, 2, 4), 0.25)
        for k in range(3):
            framed = np.pad(pixels(*SIZE, 2**k), ((40, 200), (40, 200), (0, 0)), constant_values=255)
            for x, y, width, height in ((0, 0, 132, 92), (-7, -9, 60, 50), (61, 33, 90, 80), (120, 85, 99, 90)):
                seen = slide.read(x * 2**k, y * 2**k, k, width, height)
                assert (seen == framed[40 + y : 40 + y + height, 40 + x : 40 + x + width]).all()


def test_a_folder_is_one_slide_beside_others_and_no_folder_of_embeddings_is(tmp_path):
    write_zarr(tmp_path / "in" / "a.ome.zarr")
    other = zarr.open_group(store=str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    other.attrs["spatialdata_attrs"] = {"version": "0.1"}
    assert find_slides(tmp_path) == {"a": tmp_path / "in" / "a.ome.zarr"}
    assert look_for_slides(tmp_path).notes == (
        f"1 file in {tmp_path.name} not read as slides: folders of Zarr without an image 1 (a.zarr).",
    )
    with pytest.raises(SlideError, match=r"a\.zarr is Zarr, but no image of OME-Zarr"):
        open_slide(tmp_path / "a.zarr")


def test_a_folder_of_zarr_can_be_extracted_by_itself(tmp_path):
    tissue = np.full((600, 600, 3), 255, np.uint8)
    tissue[100:500, 100:500] = (190, 90, 160)
    path = write_zarr(tmp_path / "a.ome.zarr", axes="cyx", chunk=256, picture=tissue)
    report = extract_folder(path, tmp_path / "out", ["stain"], patch_px=128, mpp=0.25)
    assert (report.done, report.failed) == (("a",), {})


def test_the_content_of_a_folder_is_its_chunks_and_its_words(tmp_path):
    path = write_zarr(tmp_path / "a.zarr")
    before = slide_sum(path)
    assert slide_sum(path) == before
    (path / "0" / "0" / "0" / "0" / "0" / "0").write_bytes(b"another")
    assert slide_sum(path) != (changed := before)
    write_zarr(path, um=(0.5, "micrometer"))
    assert slide_sum(path) not in (before, changed)


@pytest.mark.parametrize(
    ("um", "mpp"),
    [((250.0, "nanometer"), 0.25), ((0.25, ""), None), ((0.25, "pixel"), None), ((1e-4, "micrometer"), None)],
)
def test_the_size_of_a_pixel_needs_a_unit_of_length(tmp_path, um, mpp):
    with open_slide(write_zarr(tmp_path / "a.zarr", um=um, axes="cyx")) as slide:
        assert slide.mpp == (mpp if mpp is None else pytest.approx(mpp))
        if mpp is None:
            with pytest.raises(SlideError, match=r"The slide .*a\.zarr (does not say|says 0\.0001)"):
                need_mpp(slide)


def test_the_one_image_of_a_bioformats2raw_folder_is_the_slide_and_several_are_refused(tmp_path):
    root = zarr.open_group(store=str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    write_zarr(tmp_path / "a.zarr" / "0")
    assert list(find_slides(tmp_path)) == ["a"]
    with open_slide(tmp_path / "a.zarr") as slide:
        assert slide.size_px == SIZE
    write_zarr(tmp_path / "a.zarr" / "1")
    with pytest.raises(SlideError, match=r"a\.zarr holds 2 images: 0, 1\. Save the one that is meant"):
        open_slide(tmp_path / "a.zarr")
    with open_slide(tmp_path / "a.zarr" / "1") as slide:
        assert slide.size_px == SIZE


def colours(*names):
    return {"channels": [{"color": name} for name in names]}


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"picture": np.ones((50, 50, 3), np.uint16)}, "has values of uint16, not 8 bits, as fluorescence has"),
        ({"picture": np.ones((50, 50, 4), np.uint8)}, "has 4 channels, not grey or red, green and blue"),
        (
            {"omero": colours("0000FF", "00FF00", "FF0000")},
            "has channels of the colours 0000FF, 00FF00, FF0000, as",
        ),
        ({"version": "0.3"}, "is OME-Zarr 0.3; read are 0.4 and 0.5"),
    ],
)
def test_what_is_no_picture_of_stained_tissue_is_refused_in_a_sentence(tmp_path, how, why):
    path = write_zarr(tmp_path / "a.zarr", **how)
    with pytest.raises(SlideError, match=rf"The slide .*a\.zarr {why}.* leave it out of the cohort\."):
        open_slide(path, mpp=0.5)


def test_chunks_that_were_never_written_are_white(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", axes="cyx", chunk=256)
    for channel in range(3):
        (path / "0" / str(channel) / "0" / "1").unlink()
    with open_slide(path) as slide:
        seen = slide.read(0, 0, 0, *SIZE)
    assert (seen[:256, 256:512] == 255).all()
    assert (seen[256:] == pixels(*SIZE)[256:]).all()


def rewritten(path, change):
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def test_no_codec_runs_what_a_file_holds_and_no_level_lies_elsewhere(tmp_path):
    path = write_zarr(tmp_path / "a.zarr")
    rewritten(path / "0" / ".zarray", lambda told: told.update(filters=[{"id": "pickle"}]))
    with pytest.raises(SlideError, match=r"a\.zarr is packed by pickle, which is not read"):
        open_slide(path)
    write_zarr(path)
    rewritten(path / ".zattrs", lambda told: told["multiscales"][0]["datasets"][0].update(path="../b.zarr/0"))
    with pytest.raises(SlideError, match=r"a\.zarr names a level '\.\./b\.zarr/0', which is no folder in it"):
        open_slide(path)


def test_damage_is_told_with_its_place(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", axes="cyx")
    (path / "0" / "0" / "0" / "0").write_bytes(b"cut")
    with open_slide(path) as slide:
        with pytest.raises(SlideError, match=r"a\.zarr is damaged and cannot be read \(tile 0, 0 of level 0: "):
            slide.read(0, 0, 0, 9, 9)
        assert (slide.read(0, 0, 1, 9, 9) == pixels(*SIZE, 2)[:9, :9]).all()
    (path / "1" / ".zarray").unlink()
    with pytest.raises(SlideError, match=r"level 1 of the slide .*a\.zarr cannot be opened .* Copy the whole folder"):
        open_slide(path)
    (path / ".zattrs").write_text("{")
    with pytest.raises(SlideError, match=r"\.zattrs cannot be read as JSON"):
        open_slide(path)


def test_without_zarr_its_extra_is_named(tmp_path, monkeypatch):
    path = write_zarr(tmp_path / "a.zarr")
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(SlideError, match=r'which zarr reads, and zarr is absent\. pip install "prognoscope\[zarr\]"'):
        open_slide(path)
