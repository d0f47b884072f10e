"""Predictions of a patient depend on that patient alone."""

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.dataset import PatientDataset, open_bags, prepared_dataset
from prognoscope.core.errors import InputError, ModelError
from prognoscope.training.crossval import run_fold
from prognoscope.training.predict import predict
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trained import Trained

SPEC = TrainingSpec()


@pytest.mark.parametrize("name", ["abmil", "meanmil", "snn", "mcti"])
def test_predictions_do_not_depend_on_who_is_predicted_together(toy, name, monkeypatch):
    model, data = toy.model(name), toy.dataset("test")
    whole = predict(model, data, spec=SPEC)
    one_by_one = predict(model, data, spec=TrainingSpec(patches_per_pass=1))
    monkeypatch.setattr("prognoscope.training.predict.MOST_PATIENTS", 5)
    in_fives = predict(model, data, spec=SPEC)
    for other in (one_by_one, in_fives):
        assert other.prediction.patients == data.patients
        assert other.prediction.survival == pytest.approx(whole.prediction.survival, abs=1e-6)
        assert other.loss == pytest.approx(whole.loss, abs=1e-6)
    some = data.patients[7:3:-1]
    few = prepared_dataset(toy.cohort, some, toy.preparation, open_bags(toy.pack))
    assert predict(model, few, spec=SPEC).prediction.risk == pytest.approx(whole.prediction.risk[7:3:-1], abs=1e-6)


def test_predicting_leaves_the_model_in_its_mode(toy):
    model = toy.model("abmil", dropout=0.5).train()
    first = predict(model, toy.dataset("test"), spec=SPEC)
    assert model.training
    again = predict(model, toy.dataset("test"), spec=SPEC)
    assert np.array_equal(first.prediction.risk, again.prediction.risk)  # dropout was off


def test_subtypes_come_as_probabilities(toy):
    subtype = predict(toy.model("mcti"), toy.dataset("test"), spec=SPEC).subtype
    assert subtype.shape == (len(toy.split.test), 2)
    assert subtype.sum(axis=1) == pytest.approx(np.ones(len(subtype)))
    assert predict(toy.model("abmil"), toy.dataset("test"), spec=SPEC).subtype is None


def test_closed_forms_keep_full_precision(toy, tmp_path):
    files = run_fold(toy.job(tmp_path, "coxph", spec=TrainingSpec(precision="bf16")))
    specs = (TrainingSpec(), TrainingSpec(precision="bf16"))
    plain, half = (Trained.load(files, spec).predict(toy.cohort, patients=toy.split.test).prediction for spec in specs)
    assert np.array_equal(plain.risk, half.risk)
    assert plain.risk == pytest.approx(pd.read_csv(files.predictions)["risk"].to_numpy())


def test_nobody_and_nonsense_are_refused(toy):
    data = toy.dataset("test")
    nobody = prepared_dataset(toy.cohort, (), toy.preparation)
    with pytest.raises(InputError, match="There are no patients to predict"):
        predict(toy.model("snn"), nobody, spec=SPEC)
    omics = (data.omics[0].clone(), *data.omics[1:])
    omics[0][2] = np.nan
    without_genes = PatientDataset(data.outcome, data.target, omics, data.clinical, data.embeddings)
    with pytest.raises(ModelError, match=f"The risk of 1 of 12 patients is not a finite number: {data.patients[2]}"):
        predict(toy.model("snn"), without_genes, spec=SPEC)
