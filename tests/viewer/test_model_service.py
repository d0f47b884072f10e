"""An exported model answers over HTTP what it answers to files, and meets whatever else is sent by a sentence."""

import asyncio
import json

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from prognoscope.core.errors import MissingFileError
from prognoscope.simulation.cohort import simulate_cohort
from prognoscope.study.apply.export import export_model
from prognoscope.study.apply.given import Given
from prognoscope.study.apply.predict import predict_patients
from prognoscope.study.study import Study
from prognoscope.viewer.model_service import ModelService

pytestmark = pytest.mark.usefixtures("sketched")
SETTINGS = [
    "methods=[{name: coxph, penalizers: [0.1]}]",
    "splits.folds=2",
    "evaluation.draws=10",
    "evaluation.surgery=false",
]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service") / "cohort"
    simulate_cohort(folder, patients=40, seed=4, features_only=True, bag_sizes=(3, 5), embedding_dim=32)
    return folder


@pytest.fixture(scope="module")
def model(cohort):
    run = Study.load(cohort / "study.yaml", SETTINGS).run(cohort / "run").folder
    return export_model(run, cohort / "model")[0]


@pytest.fixture(scope="module")
def client(model):
    return TestClient(ModelService(model, most_bytes=200_000).app(), base_url="http://127.0.0.1:8765")


@pytest.fixture
def patients(cohort):
    genes = pd.read_csv(cohort / "genes.csv", index_col="patient_id").head(3)
    known = pd.read_csv(cohort / "clinical.csv", index_col="patient_id").loc[genes.index, ["age", "is_female"]]
    return [
        {
            "id": name,
            "genes": json.loads(genes.loc[name].to_json(double_precision=15)),
            "covariates": json.loads(known.loc[name].to_json()),
        }
        for name in genes.index
    ]


def test_the_service_says_what_predict_says(client, model, cohort, patients):
    answer = client.post("/predict", json={"patients": patients, "times": [12]})
    assert answer.status_code == 200 and answer.json()["time_unit"] == "months"
    files = Given(genes=cohort / "genes.csv", clinical=cohort / "clinical.csv")
    table = predict_patients(model, files, times=(12,)).set_index("patient_id")
    for row in answer.json()["predictions"]:
        assert row["risk"] == pytest.approx(table.loc[row["patient_id"], "risk"])
        for name in ("survival_12_months", "survival_12_months_low"):
            assert row[name] == pytest.approx(table.loc[row["patient_id"], name], rel=1e-5)
    about = client.get("/").json()
    assert about["title"] == "coxph" and about["patients"] == 40


def test_covariates_that_the_model_does_not_know_are_told(client, patients):
    said = "Nothing was done with covariates that the model does not know: agee."
    patients[0]["covariates"]["agee"] = 60
    assert said in client.post("/predict", json={"patients": patients}).json()["told"]
    assert said not in client.post("/predict", json={"patients": patients[1:]}).json()["told"]


def test_a_risk_assessment_tells_chances_of_the_event(client, patients):
    asked = {"patients": patients[:1], "times": [12, 24]}
    plain = client.post("/predict", json=asked).json()["predictions"][0]
    (entry,) = client.post("/fhir/RiskAssessment", json=asked).json()["entry"]
    told = entry["resource"]
    assert told["resourceType"] == "RiskAssessment" and told["subject"]["identifier"]["value"] == patients[0]["id"]
    chances = [each["probabilityDecimal"] for each in told["prediction"] if "probabilityDecimal" in each]
    in_percent = [100 * (1 - plain[f"survival_{month}_months"]) for month in (12, 24)]
    np.testing.assert_allclose(chances, in_percent)
    ends = told["prediction"][0]["whenRange"]
    assert [each["value"] for each in (ends["low"], ends["high"])] == [0, 12]
    assert all("system" in each for each in ends.values() if "code" in each)  # as FHIR wants it
    assert told.get("note") != []


@pytest.mark.parametrize("given", [None, {}, {"zz": 1}, {"age": None}])
def test_who_has_none_of_the_covariates_is_not_predicted_from_medians(client, patients, given):
    patients[0]["covariates"] = given
    answer = client.post("/predict", json={"patients": patients})
    said = f"genes, of {patients[0]['id']}. The model's covariates are age, is_female."
    assert answer.status_code == 422 and answer.json()["error"].endswith(said)


BAD = {
    "[]": "with at least one patient",
    '{"patients": []}': "with at least one patient",
    '{"patients": [1]}': "Patient 1 of the request has no id",
    '{"patients": [{"id": "P"}]}': "The request lacks what the model predicts from, ",
    '{"patients": [{"id": "P"}, {"id": "P"}]}': "'P' is in the request twice",
    '{"patients": [{"id": "P", "name": "x"}]}': "'P' has name; known are",
    '{"patients": [{"id": "P", "genes": {"A": [1]}}]}': "The genes of 'P' must be names",
    '{"patients": [{"id": "P", "genes": {"A": "x"}, "covariates": {"age": 3}}]}': "must be numbers or null",
    '{"patients": [{"id": "P", "genes": {"A": 1}, "covariates": {"age": 3}}]}': "gene table lacks",
    '{"patients": [{"id": "P", "embeddings": [[1], [1, 2]]}]}': "rows of numbers, all of one length",
    '{"patients": [{"id": "P"}], "times": ["x"]}': "times must be a list of months",
    '{"patients": [{"id": "P"}], "times": [9000]}': "nothing is extrapolated",
    '{"patients": [{"id": "P"}], "more": 1}': "The request has more",
    '{"patients": [{"id": "P"}], "\\ud800": 1}': "which nothing is done with",
    '{"patients": [{"id": "\\ud800"}]}': "has no id, which must be text that can be printed",
    '{"patients": [{"id": "P"}], "times": [1%s]}' % ("0" * 400): "times must be a list of months",
    '{"patients": [{"id": "P", "genes": {"A": 1%s}}]}' % ("0" * 400): "The genes of 'P' must be names",
    '{"patients": [{"id": "P", "embeddings": [[1%s]]}]}' % ("0" * 400): "rows of numbers, all of one length",
}


@pytest.mark.parametrize("body", BAD)
def test_what_cannot_be_predicted_is_met_by_a_sentence(client, body):
    answer = client.post("/predict", content=body)
    assert answer.status_code == 422 and BAD[body] in answer.json()["error"]


def test_what_is_no_json_or_too_large_or_by_another_name_is_refused(client, model, patients):
    assert client.post("/predict", content=b"{").json()["error"] == "The request is not JSON."
    assert client.post("/predict", content=b"[" * 150_000).status_code == 400
    assert client.post("/predict", content=b" " * 200_001).status_code == 413
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    guarded = TestClient(ModelService(model, "secret").app(), base_url="http://10.0.0.1:8765")
    assert guarded.get("/").status_code == 401
    assert guarded.get("/", headers={"authorization": "Bearer secret"}).status_code == 200
    with pytest.raises(MissingFileError, match="Name a folder that `prognoscope export` wrote"):
        ModelService(model / "coxph")


def test_a_client_that_goes_away_is_no_failure(model):
    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    headers = [(b"host", b"127.0.0.1")]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers, "query_string": b""}
    asyncio.run(ModelService(model).app()(scope, receive, send))
