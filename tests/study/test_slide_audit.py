"""What `check` says of slides before any is extracted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.clinical_spec import ClinicalSpec
from prognoscope.cohort.cohort import Cohort
from prognoscope.core.outcome import Outcome
from prognoscope.features.extract import FeatureSpec
from prognoscope.features.source import PICKED, made_of_slide
from prognoscope.features.store import Embeddings, write_embeddings
from prognoscope.study.inputs import bags_of
from prognoscope.study.sections import CohortSpec, EmbeddingsSpec, SlidesSpec
from prognoscope.study.slide_audit import audit_slides
from tests.slides.scene import pixels, write_slide


def cohort_of(*slides):
    n = len(slides)
    outcome = Outcome(tuple(slides), np.arange(1.0, n + 1), np.ones(n, bool))
    return Cohort(name="c", outcome=outcome, slides={slide: (slide,) for slide in slides})


@pytest.fixture
def folder(tmp_path):
    def write(**mpp):
        for name, each in mpp.items():
            write_slide(tmp_path / f"{name}.tiff", [pixels(300, 300)], mpp=each)
        told = audit_slides(SlidesSpec(str(tmp_path)), cohort_of(*mpp), FeatureSpec())
        return told.table, list(told.warnings)

    return write


def test_slides_far_from_their_cohort_are_named(folder):
    table, warnings = folder(a=0.25, b=0.25, c=0.05, d=0.26, e=0.24)
    assert dict(zip(table["resolution"], table["slides"], strict=True))["0.250 um per pixel"] == 2
    (warning,) = warnings
    assert warning.startswith(
        "1 slide of 5 differ 5 times or more from the 0.25 um per pixel that is usual in this cohort: c"
    )


def test_slides_in_two_camps_are_named_too(folder):
    _, warnings = folder(a=0.0548, b=0.0548, c=0.548, d=0.548)
    assert any(
        "2 slides of 4 differ 5 times or more from the 0.548" in each and "a 0.0548" in each for each in warnings
    )


def test_slides_coarser_than_their_patches_are_named_with_how_much(folder):
    _, warnings = folder(a=0.25, b=0.51, c=1.0, d=1.1)
    assert warnings[-1].startswith("2 slides of 4 are coarser than the 0.5 um per pixel of their patches, which are en")
    assert "d 2.2 times, c 2.0 times" in warnings[-1]


def test_a_fault_that_many_slides_have_is_told_once(folder):
    table, warnings = folder(**{f"s{i}": 0.0274 for i in range(7)}, good=0.5)
    assert dict(zip(table["resolution"], table["slides"], strict=True))["cannot be used"] == 7
    (warning,) = warnings
    assert warning.startswith("7 slides of 8 cannot be used: s0, s1, s2, s3, s4 and 2 more (The slide ")
    assert warning.count("no scanner has") == 1


def test_a_resolution_far_off_its_objective_is_named(tmp_path):
    path = tmp_path / "a.svs"
    description = "Aperio Image Library v10.2.41\r\n300x300 [0,0 300x300] (256x256) J2K Q=70|AppMag = 40|MPP = 2.5"
    write_aperio(path, description)
    warnings = audit_slides(SlidesSpec(str(tmp_path)), cohort_of("a"), FeatureSpec(mpp=2.5)).warnings
    assert [each[:90] for each in warnings] == [
        "1 slide of 1 say a resolution that is 5 times or more off their objective: a (2.5 um at 40x"[:90]
    ]


def write_aperio(path, description):
    import tifffile

    tifffile.imwrite(path, pixels(300, 300), tile=(256, 256), photometric="rgb", description=description, metadata=None)


def test_tables_of_embeddings_and_slides_are_read_whatever_their_columns_are_called(tmp_path):
    (tmp_path / "a.h5").touch()
    (tmp_path / "t.csv").write_text("FILENAME,PATIENT\nsub/a.h5,P1\n")
    clinical = ClinicalSpec(table=("none.csv",))
    where = CohortSpec(clinical, features=EmbeddingsSpec(folder=str(tmp_path), table=str(tmp_path / "t.csv")))
    assert bags_of(where, ["P1"]).slides == {"P1": ("a",)}


def test_a_table_gives_the_resolution_of_the_slides_that_it_names(tmp_path):
    for name in ("P1", "P2"):
        (tmp_path / "slides" / name).mkdir(parents=True)
        write_slide(tmp_path / "slides" / name / "HE.tiff", [pixels(300, 300)], mpp=None)
    rows = [("P1/HE.tiff", "P1", "0,25"), ("P2\\HE.tiff", "P2", "0,5")]
    pd.DataFrame(rows, columns=["slide_id", "patient_id", "mpp"]).to_csv(tmp_path / "slides.csv", sep=";", index=False)
    spec = SlidesSpec(str(tmp_path / "slides"), table=str(tmp_path / "slides.csv"))
    table = audit_slides(spec, cohort_of("P1/HE", "P2/HE"), FeatureSpec()).table
    assert dict(zip(table["resolution"], table["slides"], strict=True)) == {
        "0.250 um per pixel": 1,
        "0.500 um per pixel": 1,
        "cannot be used": 0,
        "in the folder, of no patient": 0,
    }


def test_more_slides_that_cannot_be_used_than_allowed_would_stop_a_run(tmp_path):
    for name, mpp in {"a": 0.5, "b": 0.5, "c": 0.01, "d": 0.01, "e": 0.01}.items():
        write_slide(tmp_path / f"{name}.tiff", [pixels(300, 300)], mpp=mpp)
    slides, cohort = SlidesSpec(str(tmp_path)), cohort_of(*"abcde")
    stop = audit_slides(slides, cohort, FeatureSpec()).stop
    assert stop.startswith("3 of 5 slides cannot be used, more than cohort.slides.most_bad allows (0.5 of them), so a")
    assert audit_slides(replace(slides, most_bad=0.6), cohort, FeatureSpec()).stop == ""


def test_slides_that_were_embedded_need_not_be_opened_again(tmp_path):
    path, embedded = tmp_path / "a.tiff", tmp_path / "out" / "a.h5"
    write_slide(path, [pixels(300, 300)], mpp=0.01)
    write_embeddings(embedded, Embeddings("a", np.ones((2, 3), np.float32)), made_of=made_of_slide(path, None))
    slides, cohort = SlidesSpec(str(tmp_path)), cohort_of("a")
    assert audit_slides(slides, cohort, FeatureSpec()).stop
    assert audit_slides(slides, cohort, FeatureSpec(), {"a": embedded}).stop == ""
    embedded.write_bytes(b"cut off")
    assert audit_slides(slides, cohort, FeatureSpec(), {"a": embedded}).stop
    write_embeddings(embedded, Embeddings("a", np.ones((2, 3), np.float32)), made_of=made_of_slide(path, 0.5))
    assert audit_slides(slides, cohort, FeatureSpec(), {"a": embedded}).stop


def test_slides_that_were_embedded_need_not_be_opened_again_whose_regions_are_as_they_were(tmp_path):
    path, embedded, drawn = tmp_path / "a.tiff", tmp_path / "out" / "a.h5", tmp_path / "in" / "a.tiff.geojson"
    write_slide(path, [pixels(300, 300)], mpp=0.01)
    drawn.parent.mkdir()
    drawn.write_text("[]")
    features = FeatureSpec(regions=str(drawn.parent))
    made_of = made_of_slide(path, None) | {PICKED: features.picks.told("a", path)}
    write_embeddings(embedded, Embeddings("a", np.ones((2, 3), np.float32)), made_of=made_of)
    slides, cohort = SlidesSpec(str(tmp_path)), cohort_of("a")
    assert audit_slides(slides, cohort, features, {"a": embedded}).stop == ""
    drawn.write_text("[ ]")
    assert audit_slides(slides, cohort, features, {"a": embedded}).stop


def test_slides_that_a_run_would_embed_again_are_named_with_the_reason(tmp_path):
    embedded = {}
    for name in ("a", "b", "c", "d"):
        path = write_slide(tmp_path / f"{name}.tiff", [pixels(300, 300)])
        embedded[name] = tmp_path / "out" / f"{name}.h5"
        made_of = made_of_slide(path, 0.25 if name == "b" else None)
        write_embeddings(embedded[name], Embeddings(name, np.ones((2, 3), np.float32)), made_of=made_of)
    slides, cohort = SlidesSpec(str(tmp_path)), cohort_of("a", "b", "c", "d", "new")
    write_slide(tmp_path / "a.tiff", [pixels(400, 300)])
    write_slide(tmp_path / "new.tiff", [pixels(300, 300)])
    embedded["d"].write_bytes(b"cut off")
    (warning,) = audit_slides(slides, cohort, FeatureSpec(), embedded).warnings
    assert warning == (
        "A run embeds 3 slides of 5 again: a (the slide has changed since), b (um per pixel: given 0.25 then, by the "
        "file now), d (its file is damaged)."
    )
    (tmp_path / "c.geojson").write_text('{"type": "Polygon", "coordinates": [[[0, 0], [300, 0], [300, 300]]]}')
    spec = FeatureSpec(regions=str(tmp_path))
    assert (
        "c (its coordinates or regions have changed since)" in audit_slides(slides, cohort, spec, embedded).warnings[-1]
    )


def test_coordinates_and_regions_that_extraction_would_miss_or_refuse_are_told(tmp_path):
    for name in ("a", "b", "c"):
        write_slide(tmp_path / f"{name}.tiff", [pixels(300, 300)])
    (tmp_path / "a.geojson").write_text('{"type": "Polygon", "coordinates": [[[0, 0], [300, 0], [300, 300]]]}')
    (tmp_path / "b.geojson").write_text('{"type": "Point", "coordinates": [0, 0]}')
    told = audit_slides(SlidesSpec(str(tmp_path)), cohort_of("a", "b", "c"), FeatureSpec(regions=str(tmp_path)))
    assert "b.geojson draws a Point, which has no inside" in told.stop
    assert "holds neither c.geojson nor c.json" in told.stop
    assert "2 of 3 slides cannot be used" in told.stop
    nowhere = audit_slides(SlidesSpec(str(tmp_path)), cohort_of("a"), FeatureSpec(coords=str(tmp_path / "nowhere")))
    assert "nowhere does not exist. Correct features.coords or features.regions" in nowhere.stop
