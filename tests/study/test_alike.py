"""A model predicts with embeddings made like those it was trained on, by all of its folds, as they were written."""

import shutil

import h5py
import pytest

from prognoscope import cli
from prognoscope.core.errors import FeatureError, InputError, ModelError
from prognoscope.runs.card import read_card
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.read import Run
from prognoscope.study.apply.predict import predict_patients
from prognoscope.study.study import Study

pytestmark = pytest.mark.usefixtures("sketched", "bare")

QUICK = ["methods=[abmil, snn]", "training.epochs=1", "splits.folds=2", "evaluation.surgery=true"]


@pytest.fixture(scope="module")
def run(simulated):
    """A run with surgery; not to be changed."""
    return Study.load(simulated / "study.yaml", QUICK).run(simulated / "quick").folder


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


def tell(folder, node, name, value, slides="*.h5"):
    for path in sorted((folder / "features").glob(slides)):
        with h5py.File(path, "r+") as file:
            file[node].attrs.modify(name, value)


def test_the_card_tells_the_encoder_of_the_embeddings_themselves(run):
    card = read_card(RunFiles(run).fold("abmil", 0).card)
    assert card.features == {} and card.embeddings["encoder"] == "simulated"
    assert (card.embeddings["um_per_px"], card.embeddings["patch_px"]) == (0.5, 256)


@pytest.mark.parametrize(
    ("node", "name", "value", "named"),
    [
        ("features", "encoder", "uni", "trained on embeddings by simulated.*, and these are by uni"),
        ("coords", "mpp", 0.25, "trained on .* at 0.5 um per pixel, and these are .* at 0.25 um per pixel"),
    ],
)
def test_embeddings_that_are_made_otherwise_are_not_predicted_with(run, study_folder, node, name, value, named):
    tell(study_folder, node, name, value)
    with pytest.raises(ModelError, match=named):
        predict_patients(run, study_folder / "study.yaml", method="abmil", overlap="keep")


def test_embeddings_that_do_not_say_by_whom_they_are_predict_and_that_is_told(run, study_folder):
    tell(study_folder, "features", "encoder", "None")
    table = predict_patients(run, study_folder / "study.yaml", method="abmil", overlap="keep")
    assert "trained on simulated" in table.attrs["left_out"][-1] and "unknown encoder" in table.attrs["left_out"][-1]
    again = Study.load(study_folder / "study.yaml", QUICK).run(study_folder / "unknown")
    assert "Nothing says by which encoder the embeddings were made." in again.notes
    assert again.run.provenance.embeddings.startswith("unknown encoder")


def test_two_encoders_in_one_cohort_are_refused_by_name(study_folder):
    tell(study_folder, "features", "encoder", "uni", "SIM-000*.h5")
    with pytest.raises(FeatureError, match="simulated"):
        Study.load(study_folder / "study.yaml", QUICK).run()


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_a_fold_that_is_not_as_it_was_written_is_not_predicted_with(copy, simulated, name):
    folds = [files.folder for files in RunFiles(copy).folds("abmil")]
    shutil.copy(folds[0] / name, folds[1] / name)
    with pytest.raises(InputError, match=f"fold_1/{name} is not what the run wrote there"):
        predict_patients(copy, simulated / "study.yaml", method="abmil", overlap="keep")


def test_a_run_that_lost_a_fold_does_not_predict_with_the_others(copy, simulated):
    shutil.rmtree(copy / "abmil" / "fold_1")
    with pytest.raises(ModelError, match="no trained model of abmil in 1 fold: 1"):
        predict_patients(copy, simulated / "study.yaml", method="abmil", overlap="keep")


@pytest.mark.parametrize("command", ["report", "compare", "optimism"])
@pytest.mark.parametrize("name", ["abmil/fold_1/predictions.csv", "metrics.csv"])
def test_commands_that_only_read_refuse_a_damaged_run_in_a_sentence(copy, command, name, capsys):
    text = (copy / name).read_text()
    (copy / name).write_text(text[: len(text) // 2])
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, str(copy)])
    assert stopped.value.code == 2 and f"{name} is not what the run wrote there" in capsys.readouterr().err


def test_risks_after_surgery_that_were_damaged_cost_no_training(copy, simulated, caplog):
    surgery = RunFiles(copy).fold("abmil", 0).surgery
    before, weights = surgery.read_bytes(), RunFiles(copy).fold("abmil", 0).weights.stat().st_mtime_ns
    surgery.write_bytes(before[:-9])
    Study.load(simulated / "study.yaml", QUICK).run(copy)
    assert surgery.read_bytes() == before and RunFiles(copy).fold("abmil", 0).weights.stat().st_mtime_ns == weights
    assert "abmil, fold 0: surgery.csv had been changed" in caplog.text


def test_a_fold_that_was_copied_over_another_is_refused_and_made_anew(copy, simulated, caplog):
    first, second = (files.folder for files in RunFiles(copy).folds("snn"))
    before = (second / "predictions.csv").read_bytes()
    shutil.rmtree(second)
    shutil.copytree(first, second)
    with pytest.raises(InputError, match="snn/fold_1 holds fold 0 of snn"):
        predict_patients(copy, simulated / "study.yaml", method="snn", overlap="keep")
    with pytest.raises(InputError, match="snn/fold_1 holds fold 0 of snn"):
        Run(copy).folds("snn")
    Study.load(simulated / "study.yaml", QUICK).run(copy)
    assert (second / "predictions.csv").read_bytes() == before and "snn, fold 1: model.json had been" in caplog.text
