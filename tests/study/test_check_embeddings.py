"""What check and run make of embedding files: all faults at once, bad files left out and accounted for."""

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from prognoscope.core.errors import FeatureError
from prognoscope.study.study import Study

pytestmark = pytest.mark.usefixtures("sketched")


def change(folder, patient: int, do) -> None:
    with h5py.File(folder / "features" / f"SIM-{patient:04}-A.h5", "r+") as file:
        do(file)


def set_to(value):
    def do(file: h5py.File) -> None:
        file["features"][0, 0] = value

    return do


def without_a_row(file: h5py.File) -> None:
    values = file["coords"][1:]
    del file["coords"]
    file["coords"] = values


def by(encoder: str):
    return lambda file: file["features"].attrs.__setitem__("encoder", encoder)


@pytest.fixture
def study(study_folder):
    path = study_folder / "study.yaml"
    settings = yaml.safe_load(path.read_text()) | {"methods": ["abmil"], "training": {"epochs": 1}}
    path.write_text(yaml.safe_dump(settings | {"evaluation": {"draws": 10, "surgery": False}}))
    return lambda *overrides: Study.load(path, overrides)


def test_an_encoder_that_stamp_calls_otherwise_is_no_other(study, study_folder):
    for path in (study_folder / "features").iterdir():
        with h5py.File(path, "r+") as file:
            by("uni_v2")(file)
    change(study_folder, 4, by("uni2"))
    table = dict(study().check().tables["Embeddings"].itertuples(index=False))
    assert table["encoder"] == "uni_v2"


def test_bad_files_are_left_out_told_by_kind_and_accounted_for(study, study_folder):
    for patient in (3, 5):
        change(study_folder, patient, set_to(np.nan))
    (study_folder / "features" / "SIM-0007-A.h5").write_bytes(b"")
    change(study_folder, 9, without_a_row)
    found = study().check()
    files = dict(found.tables["Embeddings"].itertuples(index=False))
    assert files["files that cannot be used"] == "3"
    told = [each for each in found.warnings if "cannot be used" in each]
    assert [each.split(" of ")[0] for each in told] == ["2", "1"]
    assert all(each.endswith("A run leaves them out.") for each in told)
    assert any("coordinates in 1 of" in each and "SIM-0009-A" in each for each in found.notes)
    finished = study().run(study_folder / "run")
    account = pd.read_csv(finished.folder / "account.csv")
    step = account.loc[account["step"].str.startswith("3 slides left out"), "step"].item()
    assert "SIM-0003-A (NaN or infinite values)" in step and "SIM-0007-A (an empty file)" in step
    assert {"SIM-0003", "SIM-0005"}.isdisjoint(finished.run.splits["patient_id"])
    for text in ("\n".join(finished.notes), (finished.folder / "provenance.json").read_text()):
        assert "cannot be used: NaN or infinite values" in text and "coordinates in 1 of" in text


def test_what_only_all_values_show_is_left_out_when_bags_are_packed(study, study_folder, monkeypatch):
    change(study_folder, 3, set_to(np.nan))
    monkeypatch.setattr("prognoscope.features.layouts._places", lambda *_: [slice(0, 0)])
    assert not study().plan().looks.faults
    finished = study().run(study_folder / "run")
    assert any("cannot be used: NaN or infinite values" in each for each in finished.notes)
    assert "SIM-0003" not in set(finished.run.splits["patient_id"])


def test_more_bad_files_than_allowed_stop_check_and_run(study, study_folder):
    for patient in (3, 5):
        change(study_folder, patient, set_to(np.inf))
    for begin in (lambda: study("cohort.features.most_bad=0.01").check(), study("cohort.features.most_bad=0").run):
        with pytest.raises(FeatureError, match="2 of 52 .* SIM-0003-A.h5 .* SIM-0005-A.h5 .* more than cohort"):
            begin()
    assert not (study_folder / "run").exists()


def test_two_encoders_of_one_length_are_an_error_with_both_and_their_files(study, study_folder):
    change(study_folder, 4, by("other"))
    (study_folder / "features" / "SIM-0007-A.h5").write_bytes(b"")
    words = "50 files with embeddings by the encoder simulated .*1 file with .* other .SIM-0004-A.*1 of 52 .* empty"
    with pytest.raises(FeatureError, match=words):
        study().check()
