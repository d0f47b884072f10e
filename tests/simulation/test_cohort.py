import hashlib
from pathlib import Path

import openslide
import pandas as pd
import pytest
import yaml

from prognoscope.core.errors import InputError
from prognoscope.features.store import find_embeddings, read_embeddings
from prognoscope.simulation.cohort import simulate_cohort

TABLES = ["clinical.csv", "genes.csv", "groups.csv", "slides.csv", "study.yaml", "subtypes.csv", "truth/patients.csv"]


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort") / "features"
    calls = []
    study = simulate_cohort(
        folder, patients=40, features_only=True, bag_sizes=(20, 60), seed=3, progress=lambda *done: calls.append(done)
    )
    return study, calls


def test_the_folder_holds_what_the_study_names(cohort):
    study, _ = cohort
    folder, text = study.parent, yaml.safe_load(study.read_text())
    assert set(TABLES) <= set(contents(folder))
    sections = text["cohort"]
    named = [sections[part]["table"] for part in ("clinical", "features", "omics", "subtype")]
    assert all((folder / name).is_file() for name in [*named, sections["omics"]["groups"], sections["truth"]])
    assert sections["features"] == {"folder": "features", "layout": "prognoscope", "table": "slides.csv"}
    assert [m if isinstance(m, str) else m["name"] for m in text["methods"]] == [
        "coxph",
        "abmil",
        "mcti",
        "late",
        "gpcox",
    ]


def test_every_patient_is_in_every_table_and_has_the_stated_patches(cohort):
    folder = cohort[0].parent
    patients = set(pd.read_csv(folder / "clinical.csv")["patient_id"])
    assert len(patients) == 40
    for name in ("genes.csv", "slides.csv", "subtypes.csv", "truth/patients.csv"):
        assert set(pd.read_csv(folder / name)["patient_id"]) == patients
    slides = pd.read_csv(folder / "slides.csv")
    assert 40 < len(slides) < 80
    files = find_embeddings(folder / "features", "prognoscope")
    assert set(files) == set(slides["slide_id"])
    lengths = slides["slide_id"].map(lambda slide: len(read_embeddings(files[slide], "prognoscope")))
    assert lengths.groupby(slides["patient_id"]).sum().between(20, 60).all()


def test_the_truth_of_patches_is_in_the_order_of_the_file(cohort):
    folder = cohort[0].parent
    for slide, path in list(find_embeddings(folder / "features", "prognoscope").items())[:5]:
        embeddings = read_embeddings(path, "prognoscope")
        truth = pd.read_csv(folder / "truth" / "patches" / f"{slide}.csv")
        assert (truth[["x", "y"]].to_numpy() == embeddings.coords_px).all()
        assert embeddings.mpp == 0.5 and embeddings.patch_um == 128


def test_outcome_and_truth_belong_to_the_clinical_table(cohort):
    clinical = pd.read_csv(cohort[0].parent / "clinical.csv")
    assert list(clinical.columns) == ["patient_id", "time_months", "event", "age", "is_female", "site"]
    assert (clinical["event"] == 0).sum() == 14
    truth = pd.read_csv(cohort[0].parent / "truth" / "patients.csv")
    assert {"log_hazard", "risk_oracle", "risk_slides", "risk_genes", "necrosis", "programme"} <= set(truth.columns)


@pytest.mark.processes
def test_painted_slides_open_and_their_bytes_do_not_depend_on_workers(tmp_path):
    settings = {"patients": 20, "seed": 1, "slide_px": 1024, "multi_slide": 0.1}
    one, two = (simulate_cohort(tmp_path / str(workers), workers=workers, **settings) for workers in (1, 2))
    assert contents(one.parent) == contents(two.parent)
    slides = pd.read_csv(one.parent / "slides.csv")["slide_id"]
    vendors = set()
    for name in slides:
        with openslide.OpenSlide(one.parent / "slides" / f"{name}.tiff") as slide:
            vendors.add(slide.properties["openslide.vendor"])
            assert slide.dimensions == (1024, 1024)
            assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.5, rel=1e-3)
        assert len(pd.read_csv(one.parent / "truth" / "patches" / f"{name}.csv")) == 16
    assert vendors == {"aperio", "generic-tiff"}
    assert yaml.safe_load(one.read_text())["cohort"]["slides"] == {"folder": "slides", "table": "slides.csv"}


def test_progress_counts_to_the_number_of_slides(cohort):
    study, calls = cohort
    total = len(pd.read_csv(study.parent / "slides.csv"))
    assert calls == [(done, total) for done in range(1, total + 1)]


@pytest.mark.processes
def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(cohort, tmp_path):
    settings = {"patients": 40, "features_only": True, "bag_sizes": (20, 60)}
    again = simulate_cohort(tmp_path / "again", seed=3, workers=2, **settings)
    assert contents(again.parent) == contents(cohort[0].parent)
    other = simulate_cohort(tmp_path / "other", seed=4, prefix="NEW", **settings)
    assert pd.read_csv(other.parent / "slides.csv").map(lambda name: name.startswith("NEW-")).all(axis=None)
    assert contents(other.parent)["clinical.csv"] != contents(again.parent)["clinical.csv"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"patients": 19}, "at least 20 patients, not 19"),
        ({"seed": -1}, "seed of a simulated cohort must be 0 or greater, not -1"),
        ({"censoring": 0.95}, "must lie in 0 to 0.9, not 0.95"),
        ({"censoring": -0.1}, "must lie in 0 to 0.9, not -0.1"),
        ({"censoring": float("nan")}, "must lie in 0 to 0.9, not nan"),
        ({"sites": 0}, "from 1 to 10 sites, not from 0"),
        ({"sites": 11}, "from 1 to 10 sites, not from 11"),
        ({"multi_slide": 1.5}, "several slides must lie in 0 to 1, not 1.5"),
        ({"bag_sizes": (0, 10)}, "least and the most patches of a patient, not 0 and 10"),
        ({"bag_sizes": (20, 10)}, "least and the most patches of a patient, not 20 and 10"),
        ({"prefix": "../A"}, "Ids begin with up to 12 letters and digits, not with '../A'"),
        ({"embedding_dim": 6}, "at least 10 dimensions, not 6"),
        ({"features_only": False, "slide_px": 1000}, "multiple of 256 pixels from 1024 to 16384, not 1000"),
    ],
)
def test_what_cannot_be_met_is_refused_in_a_sentence_and_nothing_is_written(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        simulate_cohort(tmp_path / "new", **{"patients": 20, "features_only": True, **change})
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(InputError, match=r"is not an empty folder. Remove it, or name another one"):
            simulate_cohort(folder, patients=20, features_only=True)
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.txt"]


def test_a_simulation_that_was_stopped_goes_on_to_the_same_bytes_and_another_may_not(cohort, tmp_path):
    settings = {"patients": 40, "features_only": True, "bag_sizes": (20, 60)}

    def stop(done: int, of: int) -> None:
        if done > of / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_cohort(tmp_path / "new", seed=3, progress=stop, **settings)
    half = {path: path.stat().st_mtime_ns for path in (tmp_path / "new" / "features").iterdir()}
    with pytest.raises(InputError, match="is not an empty folder"):
        simulate_cohort(tmp_path / "new", seed=4, **settings)
    study = simulate_cohort(tmp_path / "new", seed=3, **settings)
    assert contents(study.parent) == contents(cohort[0].parent)
    assert half and all(path.stat().st_mtime_ns == then for path, then in half.items())
