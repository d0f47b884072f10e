"""Results given to others: the hub and back, patients as AnnData, epochs as TensorBoard's events."""

import json
import math
import shutil
import struct

import anndata
import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelCard

from prognoscope import cli
from prognoscope.core.errors import InputError, MissingFileError
from prognoscope.runs.manifest import seal_also
from prognoscope.runs.read import Run
from prognoscope.study.apply.export import export_model
from prognoscope.study.apply.predict import predict_patients
from prognoscope.study.export import hub as our_hub
from prognoscope.study.export.events import event, export_events, record, scalar
from prognoscope.study.export.patient_table import export_patients
from prognoscope.study.study import Study
from tests.study.conftest import COXPH
from tests.study.small_hub import COMMIT, small_hub

pytestmark = pytest.mark.usefixtures("sketched", "bare")


@pytest.fixture(scope="module")
def run(simulated):
    settings = [f"methods={json.dumps([COXPH, 'abmil'])}", "training.epochs=2", "splits.folds=2"]
    settings += ["evaluation.draws=10", "evaluation.surgery=false"]
    return Study.load(simulated / "study.yaml", settings).run(simulated / "run").folder


@pytest.fixture(scope="module")
def model(run, tmp_path_factory):
    return export_model(run, tmp_path_factory.mktemp("out") / "model", method="coxph", licence="CC-BY-4.0")[0]


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with small_hub() as found:
        yield found


def command(*words):
    with pytest.raises(SystemExit) as ended:
        cli.main([str(word) for word in words])
    return ended.value.code


def test_a_model_goes_to_the_hub_as_it_is_and_comes_back_to_predict_the_same(model, simulated, hub, tmp_path):
    sent = our_hub.shipment(model, "me/coxph")
    assert our_hub.push(sent, endpoint=hub.address) == f"{hub.address}/me/coxph" and hub.private["me/coxph"]
    here = {path.relative_to(model).as_posix(): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    assert hub.files["me/coxph"] == here | {".gitattributes": b""}
    assert not [name for name, content in here.items() if b"SIM-0" in content]
    hub.files["me/coxph"] |= {"evil.pkl": b"x", "coxph/fold_0/code.py": b"x"}
    back, commit = our_hub.pull("me/coxph", tmp_path / "back", revision="main", endpoint=hub.address)
    assert commit == COMMIT and not [each for each in hub.asked if "evil" in each or "code.py" in each]
    assert {path.relative_to(back).as_posix() for path in back.rglob("*") if path.is_file()} == set(here)
    assert [path.name for path in tmp_path.iterdir()] == ["back"]
    asked = {"overlap": "keep"}
    told = [predict_patients(each, simulated / "study.yaml", **asked) for each in (model, back)]
    np.testing.assert_array_equal(told[0]["risk"], told[1]["risk"])


def test_the_card_has_what_the_hub_reads(model):
    card = ModelCard.load(model / "README.md").data
    assert (card["license"], card["library_name"]) == ("cc-by-4.0", "prognoscope") and "coxph" in card.tags
    (result,) = card.eval_results
    assert result.metric_type == "c_index" and 0 <= result.metric_value <= 1


def test_nothing_is_sent_unasked_and_only_what_export_wrote(run, model, hub, tmp_path, capsys):
    assert command("export", model, "--to", "hub", "--repo", "me/coxph") == 1
    assert "Nothing was sent" in (told := capsys.readouterr().out) and "no patient's row" in " ".join(told.split())
    copied = shutil.copytree(model, tmp_path / "model")
    (copied / "coxph" / "patients.csv").write_text("patient_id\nP1\n")
    with pytest.raises(InputError, match=r"did not write: coxph/patients.csv"):
        our_hub.shipment(copied, "me/coxph")
    (copied / "coxph" / "patients.csv").unlink()
    (copied / "coxph" / "fold_0" / "model.json").write_text("{}")
    with pytest.raises(InputError, match="coxph/fold_0/model.json .* was changed"):
        our_hub.shipment(copied, "me/coxph")
    unlicensed = export_model(run, tmp_path / "none", method="coxph")[0]
    for folder, repo, said in (
        (unlicensed, "me/coxph", "no licence"),
        (run, "me/x", "no exported"),
        (model, "x", "OWNER"),
    ):
        with pytest.raises(InputError, match=said):
            our_hub.shipment(folder, repo)
    hub.files["me/open"], hub.private["me/open"] = {}, False
    with pytest.raises(InputError, match="is there already and public"):
        our_hub.push(our_hub.shipment(model, "me/open"), endpoint=hub.address)
    assert hub.files["me/open"] == {}


def test_what_is_no_whole_model_is_not_kept(model, hub, tmp_path):
    with pytest.raises(MissingFileError, match="me/gone cannot be fetched"):
        our_hub.pull("me/gone", tmp_path / "out", endpoint=hub.address)
    with pytest.raises(MissingFileError, match=r"me/gone cannot be fetched from the hub \(ConnectError"):
        our_hub.pull("me/gone", tmp_path / "out", endpoint="http://127.0.0.1:9")
    hub.files["me/other"], hub.private["me/other"] = {"pytorch_model.bin": b"x"}, False
    with pytest.raises(InputError, match="no model of Prognoscope"):
        our_hub.pull("me/other", tmp_path / "out", endpoint=hub.address)
    our_hub.push(our_hub.shipment(model, "me/coxph"), endpoint=hub.address)
    weights = hub.files["me/coxph"]["coxph/fold_1/model.safetensors"]
    hub.files["me/coxph"]["coxph/fold_1/model.safetensors"] = weights[:-1] + b"x"
    with pytest.raises(InputError, match="coxph/fold_1/model.safetensors .* was changed"):
        our_hub.pull("me/coxph", tmp_path / "out", endpoint=hub.address)
    hub.files["me/coxph"]["coxph/fold_1/model.safetensors"] = weights  # as it was, but nothing says so
    del hub.files["me/coxph"]["coxph/fold_1/manifest.json"]
    with pytest.raises(InputError, match="coxph/fold_1/model.json, .* was changed or lost"):
        our_hub.pull("me/coxph", tmp_path / "out", endpoint=hub.address)
    assert not list(tmp_path.iterdir())


def test_patients_become_anndata_with_what_was_predicted_and_their_genes(run, simulated, tmp_path):
    path, _ = export_patients(run, tmp_path / "patients.h5ad")
    read, kept = anndata.read_h5ad(path), Run(run)
    assert list(read.obs_names) == list(kept.outcomes.patients)
    np.testing.assert_array_equal(read.obs["time"], kept.outcomes.time)
    for title in ("coxph", "abmil"):
        told = kept.method(title).predictions.set_index("patient_id").loc[read.obs_names]
        np.testing.assert_array_equal(read.obs[f"{title}_risk"], told["risk"])
        np.testing.assert_array_equal(read.obs[f"{title}_fold"].astype(int), told["fold"])
        np.testing.assert_array_equal(read.obsm[f"{title}_survival"][:, 1], told["S_1"])
    np.testing.assert_array_equal(read.obs["age"], kept.covariates.loc[read.obs_names, "age"])
    genes = pd.read_csv(simulated / "genes.csv", index_col="patient_id").loc[read.obs_names, read.var_names]
    np.testing.assert_array_equal(read.X, genes.to_numpy(np.float32))
    assert read.n_vars == len(read.varm["groups"]) > 0 and read.varm["groups"].to_numpy().any(axis=0).all()
    again = shutil.copytree(run.parent, tmp_path / "copy") / run.name  # where fold 1 held out a patient of fold 0 too
    first, second = (again / "coxph" / f"fold_{fold}" for fold in (0, 1))
    more = pd.concat([pd.read_csv(each / "predictions.csv", dtype=str) for each in (second, first)]).assign(fold="1")
    more.to_csv(second / "predictions.csv", index=False)
    seal_also([second / "predictions.csv"])
    read = anndata.read_h5ad(export_patients(again, tmp_path / "again.h5ad", method="coxph")[0])
    one = pd.read_csv(first / "predictions.csv", dtype={"patient_id": str}).set_index("patient_id")["risk"]
    np.testing.assert_allclose(read.obs.loc[one.index, "coxph_risk_fold_0"], one, rtol=1e-12)
    np.testing.assert_allclose(read.obs.loc[one.index, "coxph_risk_fold_1"], one, rtol=1e-12)
    changed = pd.read_csv(simulated / "genes.csv", dtype=str)
    changed.iloc[0, 1] = "1234.5"
    changed.to_csv(again.parent / "genes.csv", index=False)
    with pytest.raises(InputError, match=r"Changed: the genes of 1 patient \(.*\)\. Put it back"):
        export_patients(again, tmp_path / "other.h5ad")
    moved = again.rename(tmp_path / "moved")
    with pytest.raises(MissingFileError, match=r"moved was made of .*, which is not there\. .*put it where it was"):
        export_patients(moved, tmp_path / "other.h5ad")
    with pytest.raises(InputError, match="not written over"):
        export_patients(run, path)
    with pytest.raises(InputError, match="end with .h5ad"):
        export_patients(run, tmp_path / "patients.csv")


def records(path):
    """The contents of TFRecords; an event's step and its summary, read by the letter of protobuf."""
    image, found = path.read_bytes(), []
    while image:
        length = struct.unpack("<Q", image[:8])[0]
        found.append(image[12 : 12 + length])
        image = image[16 + length :]
    return found


def fields(message):
    found = {}
    while message:
        key, message = number(message)
        if key & 7 == 2:
            length, message = number(message)
        elif key & 7 == 0:
            value, message = number(message)
            found[key >> 3] = value
            continue
        else:
            length = {1: 8, 5: 4}[key & 7]
        found[key >> 3], message = message[:length], message[length:]
    return found


def number(message):
    value = shift = 0
    while True:
        byte, message = message[0], message[1:]
        value, shift = value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, message


def test_an_event_is_to_the_byte_what_tensorboard_s_own_writer_writes():
    theirs = "2100000000000000017becf609000000000000f83f10ac022a130a110a0a747261696e5f6c6f7373150000803ece1b1db2"
    assert record(event(1.5, 300, scalar("train_loss", 0.25))).hex() == theirs


def test_every_epoch_and_measure_becomes_an_event(run, tmp_path):
    export_events(run, tmp_path / "logs", method="abmil")
    kept = Run(run)
    for fold, history in kept.method("abmil").histories.items():
        (path,) = (tmp_path / "logs" / "abmil" / f"fold_{fold}").iterdir()
        version, *events = map(fields, records(path))
        assert version[3] == b"brain.Event:2"
        told = {}
        for each in events:
            value = fields(fields(each[5])[1])
            told[value[1].decode(), each.get(2, 0)] = struct.unpack("<f", value[2])[0]
        for row in history.to_dict("records"):
            assert math.isclose(told["train_loss", row["epoch"]], row["train_loss"], rel_tol=1e-6)
            assert math.isclose(told["validation_c_index", row["epoch"]], row["validation_c_index"], rel_tol=1e-6)
    (path,) = (each for each in (tmp_path / "logs" / "abmil").iterdir() if each.is_file())
    values = [fields(fields(each[5])[1]) for each in map(fields, records(path)[1:])]
    measured = {each[1].decode(): struct.unpack("<f", each[2])[0] for each in values if 2 in each}
    assert measured["measures/c_index"] == pytest.approx(kept.summary("abmil", "c_index")["value"])
    assert b"name: simulated" in values[-1][8]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "clam", "--out", "x"], "prognoscope convert FEATURES --to clam"),
        (["--to", "nowhere", "--out", "x"], "no 'nowhere' to export to"),
        (["--to", "qupath", "--licence", "MIT", "--out", "x"], "--licence is nothing that --to qupath takes"),
        (["--to", "qupath"], "with --out"),
        (["--to", "hub", "--out", "x"], "--out is nothing that --to hub takes"),
    ],
)
def test_what_does_not_belong_together_is_told(run, words, said, capsys):
    assert command("export", run, *words) == 2
    assert said in " ".join(capsys.readouterr().err.split())
