"""The pictures of slides that a run keeps, and its page shows."""

import pytest
from PIL import Image

from prognoscope.report.sections.slide_previews import preview_content
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.read import Run
from prognoscope.slides.preview import preview_path
from prognoscope.study.previews import MOST, MOST_LEFT_OUT, keep_previews


@pytest.fixture
def kept(tmp_path):
    def keep(slides, failed):
        for slide in (*failed, *(each for bag in slides.values() for each in bag)):
            path = preview_path(tmp_path / "embeddings", slide)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 6), "pink").save(path)
        (tmp_path / "run").mkdir(exist_ok=True)
        keep_previews(RunFiles(tmp_path / "run"), tmp_path / "embeddings", slides, failed)
        return Run(tmp_path / "run")

    return keep


def test_slides_left_out_come_first_and_others_fill_what_is_left(kept):
    slides = {f"P{i:02d}": (f"P{i:02d}/HE",) for i in range(40)}
    failed = {f"P{i:02d}/HE": "no tissue" for i in range(9)}
    run = kept(slides, failed)
    rows = run.previews
    assert len(rows) == MOST
    assert list(rows["left_out"]) == ["no tissue"] * MOST_LEFT_OUT + [""] * (MOST - MOST_LEFT_OUT)
    assert not set(rows["slide"][MOST_LEFT_OUT:]) & set(failed)
    assert list(rows["patient_id"][:2]) == ["P00", "P01"]
    assert [path.name for path in sorted(run.files.previews.glob("*.jpg"))] == list(rows["file"])


def test_the_page_holds_the_pictures_and_forgets_those_of_an_earlier_run(kept):
    kept({"A": ("a", "b")}, {})
    content = preview_content(kept({"<B>": ("c",)}, {"c": "no <tissue>"}))
    (picture,) = content["pictures"]
    assert (picture["slide"], picture["patient_id"], picture["left_out"]) == ("c", "<B>", "no <tissue>")
    assert picture["source"].startswith("data:image/jpeg;base64,")


def test_a_run_without_slides_has_no_such_section(tmp_path):
    assert preview_content(Run(tmp_path)) == {}


def test_a_table_that_points_elsewhere_shows_nothing(kept, tmp_path):
    run = kept({"A": ("a",)}, {})
    table = run.files.previews / "previews.csv"
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    table.write_text(table.read_text().replace("01.jpg", "../../secret.jpg"))
    assert preview_content(Run(run.folder)) == {}
