"""Accuracy and AUROC against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.classification import accuracy, auroc


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
