"""Accuracy and AUROC against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.classification import accuracy, accuracy_of_draws, auroc, auroc_of_draws


@given(st.integers(0, 1000), st.integers(2, 4))
def test_auroc_equals_that_of_an_independent_library(seed, n_classes):
    generator = np.random.default_rng(seed)
    label = np.concatenate([np.arange(n_classes), generator.integers(0, n_classes, 30)])
    probability = generator.dirichlet(np.ones(n_classes), size=len(label)).round(1) + 1e-3
    probability /= probability.sum(axis=1, keepdims=True)
    ours = auroc(probability, label=label)
    theirs = np.mean([roc_auc_score(label == c, probability[:, c]) for c in range(n_classes)])
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_unknown_labels_are_passed_over():
    probability = np.array([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]])
    assert accuracy(probability, label=np.array([0, 1, -1])) == 1.0
    assert auroc(probability, label=np.array([0, 1, -1])) == 1.0


def test_what_is_not_defined_is_an_error():
    with pytest.raises(MetricError, match="No subtype is known"):
        accuracy(np.ones((2, 2)), label=np.array([-1, -1]))
    with pytest.raises(MetricError, match="two classes"):
        auroc(np.ones((2, 2)), label=np.array([1, 1]))


@pytest.mark.parametrize("classes", [2, 3])
def test_a_draw_gives_what_its_patients_listed_one_by_one_give(classes):
    rng = np.random.default_rng(classes)
    probability = rng.integers(0, 5, size=(30, classes)) / 4  # with ties
    label = rng.integers(-1, classes, size=30)
    counts = rng.multinomial(30, np.full(30, 1 / 30), size=40)
    for of_draws, alone in ((accuracy_of_draws, accuracy), (auroc_of_draws, auroc)):
        for value, count in zip(of_draws(probability, counts, label=label), counts, strict=True):
            drawn = np.repeat(np.arange(30), count)
            assert value == pytest.approx(alone(probability[drawn], label=label[drawn]))


def test_a_draw_without_a_known_label_or_of_one_class_is_not_a_number():
    probability, label = np.array([[0.2, 0.8], [0.7, 0.3], [0.5, 0.5]]), np.array([1, 0, -1])
    counts = np.array([[0, 0, 3], [2, 0, 1], [1, 2, 0]])
    assert np.isnan(accuracy_of_draws(probability, counts, label=label)).tolist() == [True, False, False]
    assert np.isnan(auroc_of_draws(probability, counts, label=label)).tolist() == [True, True, False]
