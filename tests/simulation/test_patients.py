import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.simulation.patients import IN_GENES, IN_SLIDES, SUBTYPES, add_risks, draw_patients, follow_up

concordance_index_censored = pytest.importorskip("sksurv.metrics").concordance_index_censored
SEEDS = range(5)


def oracles(count: int, seed: int) -> dict[str, float]:
    table = add_risks(draw_patients(count, seed, sites=4))
    time, event = follow_up(table["log_hazard"].to_numpy(), seed, censoring=0.35)
    names = ["risk_oracle", "risk_slides", "risk_genes"]
    return {name: float(concordance_index_censored(event, time, table[name])[0]) for name in names}


def test_the_oracles_leave_room_for_both_modalities_together():
    mean = pd.DataFrame([oracles(300, seed) for seed in SEEDS]).mean()
    assert 0.75 < mean["risk_oracle"] < 0.80
    assert 0.66 < mean["risk_slides"] < 0.71
    assert 0.66 < mean["risk_genes"] < 0.71


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count, margin", [(300, 0.04), (60, 0.01)])
def test_the_truth_is_better_than_either_modality_in_every_cohort(seed, count, margin):
    c = oracles(count, seed)
    assert c["risk_oracle"] > max(c["risk_slides"], c["risk_genes"]) + margin


def test_the_log_hazard_is_the_stated_form():
    rows = {
        "subtype": ["solid", "glandular"],
        "proliferation": [1.0, 0.0],
        "immune": [2.0, 0.0],
        "necrosis": [-1.0, 2.0],
        "programme": [0.5, 1.0],
        "age": [72, 62],
    }
    risks = add_risks(pd.DataFrame(rows))
    common = 0.25 + 0.45 - 0.7
    expected = [common - 0.75 + 0.375 - 0.3 + 0.2, -0.25 + 1.5 + 0.75 + 1.2]
    np.testing.assert_allclose(risks["log_hazard"], expected)
    np.testing.assert_allclose(risks["risk_oracle"], expected)
    np.testing.assert_allclose(risks["risk_slides"], [common - 0.75, -0.25 + 1.5])
    np.testing.assert_allclose(risks["risk_genes"], [common + 0.375, -0.25 + 0.75])


@pytest.mark.parametrize(
    "without, told",
    [
        ({"slides"}, {"programme", "age"}),
        ({"genes"}, {"necrosis", "age"}),
        ({"slides", "genes", "covariates"}, set()),
        ({"interaction", "covariates"}, {"subtype", "proliferation", "immune", "necrosis", "programme"}),
    ],
)
def test_what_is_silenced_tells_nothing_of_the_hazard(without, told):
    patients = draw_patients(400, 1, sites=4)
    whole = add_risks(patients, without=without)["log_hazard"]
    for name in ("subtype", "proliferation", "immune", "necrosis", "programme", "age"):
        other = patients[name].sample(frac=1, random_state=1).to_numpy()  # of other patients
        moved = add_risks(patients.assign(**{name: other}), without=without)["log_hazard"]
        assert moved.equals(whole) == (name not in told), name


@pytest.mark.parametrize("risk, seen", [("risk_slides", IN_SLIDES), ("risk_genes", IN_GENES)])
def test_the_best_risk_of_a_modality_is_the_conditional_mean_of_the_log_hazard(risk, seen):
    table = add_risks(draw_patients(20_000, 3, sites=4))
    rest = table["log_hazard"] - table[risk]
    assert abs(rest.mean()) < 0.02
    factors = table[list(seen)].assign(subtype=(table["subtype"] == SUBTYPES[1]).astype(float))
    for name in seen:
        assert abs(np.corrcoef(factors[name], rest)[0, 1]) < 0.03
        assert abs(np.corrcoef(factors[name] ** 2, rest)[0, 1] if name != "subtype" else 0) < 0.03


def test_a_patient_is_the_same_in_a_small_and_in_a_large_cohort():
    pd.testing.assert_frame_equal(draw_patients(20, 5, sites=3), draw_patients(50, 5, sites=3).iloc[:20])


def test_times_are_weibull_with_the_stated_hazard():
    log_hazard = np.repeat([0.0, 1.0], 10_000)
    time, event = follow_up(log_hazard, 1, censoring=0.0)
    assert event.all()
    uniform = np.exp(-((time / 30) ** 1.4) * np.exp(log_hazard))
    for part in (uniform[:10_000], uniform[10_000:]):
        assert np.abs(np.quantile(part, np.linspace(0, 1, 21)) - np.linspace(0, 1, 21)).max() < 0.02


@given(st.integers(20, 80), st.floats(0, 0.9), st.integers(0, 2**40))
def test_the_stated_share_is_censored(count, censoring, seed):
    log_hazard = np.random.default_rng(seed).standard_normal(count)
    time, event = follow_up(log_hazard, seed, censoring=censoring)
    assert (~event).sum() == round(censoring * count)
    assert (time > 0).all() and np.isfinite(time).all()


def test_a_hazard_that_is_greater_for_everybody_only_shortens_the_study():
    log_hazard = np.random.default_rng(0).standard_normal(200)
    (slow, seen_slow), (fast, seen_fast) = (follow_up(log_hazard + shift, 2, censoring=0.5) for shift in (-2.0, 0.0))
    np.testing.assert_array_equal(seen_slow, seen_fast)
    np.testing.assert_allclose(fast, slow * np.exp(-2 / 1.4), atol=0.011)
