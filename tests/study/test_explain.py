"""What a run's predictions rest on, from the command to the files."""

import json
import shutil
from dataclasses import replace

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from prognoscope import cli
from prognoscope.core.errors import InputError, StudyError
from prognoscope.features.store import read_embeddings
from prognoscope.runs.explanations import TABLES
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.manifest import seal
from prognoscope.runs.read import Run
from prognoscope.study import explain as study_explain
from prognoscope.study.explain import explain_run
from prognoscope.study.export.map_files import export_maps
from prognoscope.study.export.patch_tables import export_patches
from prognoscope.study.study import Study
from tests.study.conftest import COXPH

pytestmark = pytest.mark.usefixtures("sketched", "bare")

METHODS = [
    COXPH,
    "abmil",
    {"name": "ccl", "k": 2, "d": 8, "gene_hidden": 8, "heads": 2},
]


@pytest.fixture(scope="module")
def run(simulated):
    overrides = [f"methods={json.dumps(METHODS)}", "training.epochs=1", "splits.folds=2", "evaluation.draws=10"]
    overrides += ["evaluation.surgery=false"]
    return Study.load(simulated / "study.yaml", overrides).run()


@pytest.fixture(scope="module")
def kept(run):
    assert len(run.explain(most=2, methods=["coxph", "abmil"])) == 4
    assert len(run.explain(most=2, methods=["ccl"], pictures="none")) == 2
    return Run(run.folder).explanations


@pytest.fixture
def spoilt(kept, run, tmp_path):
    """A copy of the run and its inputs, to be changed."""
    shutil.copytree(run.folder.parent, tmp_path / "study")
    return tmp_path / "study" / "run"


def test_the_patients_of_highest_and_lowest_risk_are_explained_by_models_that_did_not_learn_from_them(run, kept):
    for method, patients in kept.items():
        table = run.run.method(method).predictions.sort_values("risk", kind="stable")
        assert set(patients) == {table["patient_id"].iloc[0], table["patient_id"].iloc[-1]}
        for patient, each in patients.items():
            for fold in each.about.folds:
                assert patient in run.run.part(fold, "test")


def test_a_row_a_patch_in_the_order_and_at_the_place_of_the_embeddings(run, kept, simulated):
    for each in kept["abmil"].values():
        assert [told.name for told in each.about.maps] == ["attention", "gradient", "left_out"]
        table = each.patches
        for slide in each.about.slides:
            source = read_embeddings(simulated / "features" / f"{slide.slide}.h5")
            rows = table[table["slide_id"] == slide.slide]
            np.testing.assert_array_equal(rows[["x", "y"]].to_numpy(), source.coords_px)
            assert (slide.patches, slide.side_px, slide.mpp) == (len(source), 256.0, 0.5)
        assert table["attention"].sum() == pytest.approx(1, abs=1e-4)


def test_methods_without_slides_tell_of_genes_alone_and_others_of_all_they_read(kept):
    cox, ccl = (next(iter(kept[method].values())) for method in ("coxph", "ccl"))
    assert cox.patches.empty and len(cox.genes) and set(cox.modalities["modality"]) == {"genes", "covariates"}
    assert set(ccl.modalities["modality"]) == {"slides", "genes"}
    assert "component_synergy" in ccl.patches and {"pool", "left_out"} <= set(ccl.gene_groups)
    assert any("No gradient" in note for note in ccl.about.notes)


def test_how_faithful_each_map_is_stands_beside_it_with_what_the_simulation_knows(kept):
    table = next(iter(kept["abmil"].values())).faithfulness
    measures = set(table.loc[table["map"] == "attention", "measure"])
    assert {"deletion_area", "random_deletion_area", "insertion_area", "randomisation_correlation"} <= measures
    assert {"fold_stability", "auroc_tumour", "auroc_prognostic"} <= measures
    genes = next(iter(kept["coxph"].values())).faithfulness
    assert list(genes["measure"]) == ["auroc_genes"]


def test_the_tables_are_the_same_as_parquet(kept):
    each = next(iter(kept["ccl"].values()))
    for name in ("patches", "gene_groups", "genes", "modalities", "faithfulness"):
        pd.testing.assert_frame_equal(TABLES[name].read(getattr(each.files, name)), getattr(each, name))


def test_without_pixels_maps_are_drawn_by_their_places(kept):
    each = next(iter(kept["abmil"].values()))
    slide = each.about.slides[0].slide
    assert each.picture(slide, "attention", ".png").read_bytes().startswith(b"\x89PNG")
    features = json.loads(each.picture(slide, "gradient", ".geojson").read_text())["features"]
    assert len(features) == each.about.slides[0].patches


def test_patches_in_um_alone_get_every_picture_but_geojson_which_counts_pixels(spoilt, monkeypatch):
    loaded = study_explain._World.loaded

    def in_um(world, patient):
        """As of STAMP's files, where nobody gives um per pixel."""
        return [
            replace(one, coords_px=None, patch_px_level0=None, overlap_px=None, mpp=None)
            for one in loaded(world, patient)
        ]

    monkeypatch.setattr(study_explain._World, "loaded", in_um)
    shutil.rmtree(Run(spoilt).files.explanations)
    (each,) = explain_run(spoilt, most=1, methods=["abmil"], maps=["attention"])
    slide = each.about.slides[0]
    assert (slide.is_in_um, slide.side_px, slide.mpp) == (True, 128.0, 1.0)
    assert each.picture(slide.slide, "attention", ".ome.tiff") and each.picture(slide.slide, "attention", ".png")
    assert each.picture(slide.slide, "attention", ".geojson") is None
    assert any(f"{slide.slide} are known in um alone, so there is no GeoJSON" in note for note in each.about.notes)


def test_what_is_there_is_not_made_again_and_what_was_damaged_is(spoilt):
    kept = Run(spoilt).explanations
    files = [each.files for patients in kept.values() for each in patients.values()]
    before = {each.folder: each.manifest.stat().st_mtime_ns for each in files}
    files[0].about.unlink()
    explain_run(spoilt, most=2, pictures="none")
    made = [folder for folder, then in before.items() if (folder / "manifest.json").stat().st_mtime_ns != then]
    assert made == [files[0].folder]


def test_a_map_may_be_asked_for_alone(spoilt):
    (each,) = explain_run(spoilt, most=1, methods=["abmil"], maps=["attention"])
    pictures = {path.name.split(".")[1] for path in each.files.folder.glob("*.png")}
    assert pictures == {"attention"}


def kinds_of(each) -> set[str]:
    return {"".join(path.suffixes[1:]) for path in each.files.folder.glob(f"{each.about.slides[0].slide}.*")}


def test_of_many_patients_pngs_alone_are_kept_and_that_is_said(spoilt, monkeypatch):
    monkeypatch.setattr(study_explain, "MOST_WITH_ALL_PICTURES", 1)
    asked = {"most": 2, "methods": ["abmil"], "maps": ["attention"]}
    (first, _) = explain_run(spoilt, **asked)
    assert kinds_of(first) == {".png"} and any("--pictures all" in note for note in first.about.notes)
    (first, _) = explain_run(spoilt, **asked, pictures="all")
    assert kinds_of(first) == {".png", ".svg", ".geojson", ".ome.tiff"}
    before = first.files.manifest.stat().st_mtime_ns
    (first, _) = explain_run(spoilt, **asked, pictures="none")
    assert first.files.manifest.stat().st_mtime_ns == before  # more than was asked for is there


def test_a_slide_that_was_replaced_is_told_and_maps_are_drawn_anew_when_it_is_back(spoilt, monkeypatch):
    asked = {"most": 1, "methods": ["abmil"], "maps": ["attention"]}
    with monkeypatch.context() as changed:
        changed.setattr(study_explain._World, "image", lambda world, slide: (None, "The slide was replaced."))
        (each,) = explain_run(spoilt, **asked)
    assert "The slide was replaced." in each.about.notes
    (each,) = explain_run(spoilt, **asked)
    assert "The slide was replaced." not in each.about.notes


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"pictures": "svg"}, "no amount of pictures 'svg'"),
        ({"patients": ["SIM-9999"]}, "predicted no patient 'SIM-9999'; it predicted 40: SIM-0001, "),
        ({"methods": ["amil"]}, "has no method 'amil'; did you mean 'abmil'"),
        (
            {"methods": ["abmil"], "maps": ["atention"], "most": 1},
            "abmil has no map 'atention'; it has attention, grad",
        ),
    ],
)
def test_what_is_not_there_is_named(spoilt, asked, sentence):
    shutil.rmtree(spoilt / "explanations")
    with pytest.raises(StudyError, match=sentence):
        explain_run(spoilt, **asked)


def test_embeddings_that_were_changed_since_are_not_explained(spoilt, kept):
    patient = next(iter(kept["abmil"]))
    slide = kept["abmil"][patient].about.slides[0].slide
    source = spoilt.parent / "features" / f"{slide}.h5"
    other = next(path for path in source.parent.glob("*.h5") if path != source)
    shutil.copyfile(other, source)
    shutil.rmtree(spoilt / "explanations")
    with pytest.raises(StudyError, match=f"now gives {patient} the risk .* changed since"):
        explain_run(spoilt, patients=[patient], methods=["abmil"])


def test_a_table_that_was_changed_by_hand_is_not_read(spoilt):
    each = next(iter(Run(spoilt).explanations["abmil"].values()))
    path = each.files.patches.with_suffix(".parquet")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match="is not what the run wrote there"):
        _ = each.patches


def test_the_command_says_where_it_wrote(spoilt, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["explain", str(spoilt), "--most", "2", "--method", "coxph"])
    assert ended.value.code == 0
    assert "explanations/coxph: 2 patients, " in capsys.readouterr().out


def test_the_command_takes_one_way_to_say_whom(spoilt, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["explain", str(spoilt), "--most", "2", "--all"])
    assert ended.value.code == 2
    assert "give one of --patient, --all and --most" in capsys.readouterr().err


def test_a_run_without_slides_is_explained_by_its_genes(change):
    path = change(methods=[COXPH], **{"splits.folds": 2})
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    del settings["cohort"]["features"]
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    (kept,) = Study.load(path).run().explain(most=1)
    assert kept.patches.empty and len(kept.genes)


def test_qupath_gets_a_tile_a_patch_where_it_was_cut_with_every_map_as_a_measurement(run, kept, simulated, tmp_path):
    files, notes = export_maps(run.folder, tmp_path / "maps", "qupath")
    assert {path.parent.name for path in files} == {"abmil", "ccl"} and "the corner of the whole plane" in notes[0]
    for each in kept["abmil"].values():
        for told in each.about.slides:
            source = read_embeddings(simulated / "features" / f"{told.slide}.h5")
            whole = json.loads((tmp_path / "maps" / "abmil" / f"{told.slide}.geojson").read_text())
            assert {one["properties"]["objectType"] for one in whole["features"]} == {"tile"}
            rings = np.array([one["geometry"]["coordinates"][0] for one in whole["features"]])
            np.testing.assert_array_equal(rings.min(axis=1), source.coords_px)
            np.testing.assert_array_equal(rings.max(axis=1), source.coords_px + source.patch_px_level0)
            rows = each.patches[each.patches["slide_id"] == told.slide]
            for name in ("attention", "gradient", "left_out"):
                values = [one["properties"]["measurements"][name] for one in whole["features"]]
                np.testing.assert_allclose(values, rows[name], rtol=1e-8)


def test_the_highest_patches_alone_are_annotations_from_the_highest_on(run, kept, tmp_path):
    patient, each = next(iter(kept["abmil"].items()))
    asked = {"method": "abmil", "patients": [patient], "maps": ["gradient", "attention"], "top": 3}
    files, _ = export_maps(run.folder, tmp_path / "top", "qupath", **asked)
    found = json.loads(files[0].read_text())["features"]
    values = each.patches.loc[each.patches["slide_id"] == each.about.slides[0].slide, "gradient"]
    told = [one["properties"]["measurements"]["gradient"] for one in found]
    np.testing.assert_allclose(told, values.nlargest(3), rtol=1e-8)
    assert [one["properties"]["objectType"] for one in found] == ["annotation"] * 3
    assert [one["properties"]["name"] for one in found] == ["gradient 1", "gradient 2", "gradient 3"]
    scores, _ = export_maps(run.folder, tmp_path / "scores", "trident", **asked)
    with h5py.File(scores[0]) as file:  # as visualize_heatmap of TRIDENT takes them
        corners = np.array(found[0]["geometry"]["coordinates"][0]).min(axis=0)
        np.testing.assert_array_equal(file["coords"][0], corners)
        assert file["coords"].dtype == np.int64 and file["gradient"].shape == (3,)
        assert file["coords"].attrs["patch_size_level0"] == 256
        assert np.issubdtype(file["coords"].attrs["patch_size_level0"].dtype, np.integer)


def test_patches_become_anndata_with_their_embeddings_places_and_maps(run, kept, simulated, tmp_path):
    patient, each = next(iter(kept["abmil"].items()))
    files = export_patches(run.folder, tmp_path / "patches", patients=[patient], method="abmil")
    for path, told in zip(files, each.about.slides, strict=True):
        source, read = read_embeddings(simulated / "features" / f"{told.slide}.h5"), anndata.read_h5ad(path)
        np.testing.assert_array_equal(read.X, source.features)
        np.testing.assert_array_equal(read.obsm["spatial"], source.coords_px + 128)
        rows = each.patches[each.patches["slide_id"] == told.slide]
        np.testing.assert_array_equal(read.obs["abmil_attention"], rows["attention"])
        assert read.uns["spatial"][told.slide]["scalefactors"]["spot_diameter_fullres"] == 256
        assert set(read.obs["patient_id"]) == {patient}


def test_maps_that_nobody_made_or_that_lie_nowhere_are_refused_and_nothing_is_written_over(spoilt, kept, tmp_path):
    patient, each = next(iter(kept["abmil"].items()))
    for asked, said in (
        ({"patients": ["nobody"], "method": "abmil"}, "prognoscope explain .* --patient nobody --method abmil"),
        ({"method": "coxph"}, "coxph made no map"),
        ({"method": "abml"}, "did you mean 'abmil'"),
        ({"maps": ["atention"]}, "did you mean 'attention'"),
    ):
        with pytest.raises(InputError, match=said):
            export_maps(spoilt, tmp_path / "out", "qupath", **asked)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not written over"):
        export_maps(spoilt, tmp_path / "out", "qupath")
    tell_of_slides(Run(spoilt).files.explanation("abmil", patient), is_in_um=True)
    with pytest.raises(InputError, match=f"{each.about.slides[0].slide} lie is not known in pixels"):
        export_maps(spoilt, tmp_path / "new", "trident")


def tell_of_slides(files, **told):
    """Let a kept explanation say something else of its slides."""
    about = json.loads(files.about.read_text())
    about["slides"] = [each | told for each in about["slides"]]
    files.about.write_text(json.dumps(about))
    seal(files.folder, [path for path in files.folder.iterdir() if path != files.manifest], Fingerprint({}))


def test_qupath_counts_from_where_the_scanned_part_begins_which_the_explanation_keeps(spoilt, kept, tmp_path):
    patient, each = next(iter(kept["abmil"].items()))
    tell_of_slides(Run(spoilt).files.explanation("abmil", patient), origin_px=[100, 50])
    files, notes = export_maps(spoilt, tmp_path / "out", "qupath", method="abmil", patients=[patient])
    first = json.loads(files[0].read_text())["features"][0]
    corner = np.array(first["geometry"]["coordinates"][0]).min(axis=0)
    np.testing.assert_array_equal(corner + np.array([100, 50]), each.patches.loc[0, ["x", "y"]].astype(float))
    assert notes == []
