"""`vary`: which entries it adds, what it refuses, and that all of them start alike."""

import pytest
import yaml

from prognoscope.core.errors import StudyError
from prognoscope.models.registry import MODELS, card_of, parameters_of
from prognoscope.study.folder import check_folder
from prognoscope.study.jobs import planned_methods
from prognoscope.study.spec import StudySpec, parse_study, plain
from prognoscope.study.study import Study
from prognoscope.training.method import Method


def study_of(*methods, **more) -> StudySpec:
    least = {"name": "study", "cohort": {"clinical": {"table": "clinical.csv"}}}
    return parse_study(least | {"methods": list(methods)} | more)


def titles(*methods, **more) -> list[str]:
    return [method.title for method in study_of(*methods, **more).methods]


def test_the_method_itself_is_the_point_of_its_own_values():
    assert titles({"name": "ccl", "vary": {"k": [4, 6, 8]}}) == ["ccl", "ccl-k-4", "ccl-k-8"]
    assert titles({"name": "ccl", "k": 8, "vary": {"k": [4, 6, 8]}}) == ["ccl", "ccl-k-4", "ccl-k-6"]
    assert titles({"name": "ccl", "label": "c", "vary": {"k": [5]}}) == ["c", "c-k-5"]
    rates = {"name": "snn", "vary": {"learning_rate": [1e-3, 5e-4, 1e-4]}}
    apart = titles(rates, training={"learning_rate": 1e-3})
    assert apart == ["snn", "snn-learning_rate-0.0005", "snn-learning_rate-0.0001"]
    own = rates | {"training": {"learning_rate": 5e-4}}
    assert titles(own, training={"learning_rate": 1e-3})[1:] == ["snn-learning_rate-0.001", "snn-learning_rate-0.0001"]


def test_points_keep_what_is_not_varied_and_say_in_their_label_what_is():
    whole = {"name": "ccl", "tau": 0.3, "training": {"epochs": 3}, "vary": {"k": [4, 6], "learning_rate": [1e-3, 0.01]}}
    _, *points = study_of(whole).methods
    assert [point.title for point in points] == ["ccl-k-4", "ccl-k-4-learning_rate-0.01", "ccl-learning_rate-0.01"]
    assert points[1].options == {"tau": 0.3, "k": 4}
    assert (points[1].training.epochs, points[-1].training.learning_rate) == (3, 0.01)
    assert points[0].training.learning_rate is None and {point.sweep_of for point in points} == {"ccl"}


def test_several_sweeps_share_their_points():
    both = titles({"name": "ccl", "vary": [{"k": [4, 6]}, {"tau": [0.05, 0.1]}, {"k": [4, 6], "tau": [0.05, 0.1]}]})
    assert both == ["ccl", "ccl-k-4", "ccl-tau-0.05", "ccl-k-4-tau-0.05"]


@pytest.mark.parametrize("name", [name for name in MODELS if card_of(name).sweeps])
def test_the_sweeps_of_a_paper_hold_the_methods_own_values(name):
    sweeps = card_of(name).sweeps
    assert len(titles({"name": name, "vary": "paper"})) == 1 + sum(len(sweep.values) - 1 for sweep in sweeps)
    for sweep in sweeps:
        assert parameters_of(name)[sweep.setting].default in sweep.values and len(sweep.rows) == len(sweep.values)


def test_the_sweeps_of_a_paper_are_named_one_by_one():
    assert titles({"name": "ccl", "vary": ["b", "tau"]})[1:] == [
        *("ccl-bank_length-5", "ccl-bank_length-20", "ccl-tau-0.05", "ccl-tau-0.3")
    ]
    assert titles({"name": "cmta", "vary": "alignment", "alignment": "mse"})[1] == "cmta-alignment-l1"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"vary": {"kk": [1]}}, "methods, ccl: vary: ccl has no setting 'kk' to vary; did you mean 'k'?"),
        ({"vary": {"n_bins": [3]}}, "ccl has no setting 'n_bins' to vary"),
        ({"vary": {"k": 4}}, "methods entry 1.vary: k must be a [list] of one value or more, not 4."),
        ({"vary": {"k": []}}, "k must be a [list] of one value or more"),
        ({"vary": [3]}, "an entry must be settings with values, or the name of a sweep, not a number."),
        ({"vary": []}, "vary: must be settings with a [list] of values each, or the paper's sweeps by name, not []."),
        ({"vary": "tua"}, "ccl has no sweep 'tua'; did you mean 'tau'?"),
        ({"vary": {"epochs": [5, 0]}}, "methods, ccl: vary: epochs must be at least 1, not 0."),
        ({"vary": {"epochs": [True]}}, "methods, ccl: vary: epochs must be a whole number, not True."),
        ({"vary": {"k": [4, 4.0]}}, "k has the value 4 twice; take one away."),
        ({"vary": {"k": [{"a": 1}]}}, "the value {'a': 1} cannot be part of a label"),
        ({"vary": ["k", {"k": [4]}]}, "k is varied twice; put all its values into one list."),
        ({"name": "snn", "vary": "paper"}, "the paper of snn has no sweep; give settings with values"),
        ({"name": "coxph", "vary": {"epochs": [3]}}, "coxph has no setting 'epochs' to vary"),
        ({"sweep_of": "mcti"}, "'ccl' is a point of a sweep of 'mcti', which is not in methods; add it."),
    ],
)
def test_what_cannot_be_varied_is_said_in_a_sentence(entry, message):
    with pytest.raises(StudyError) as raised:
        study_of({"name": "ccl"} | entry)
    assert message in str(raised.value)


def test_impossible_values_are_refused_before_anything_is_trained(simulated):
    study = Study.load(simulated / "study.yaml", ["methods=[{name: snn, vary: {dropout: [0.1, 1.5]}}]"])
    with pytest.raises(ValueError, match="dropout=1.5"):
        study.check()


def test_the_file_of_a_run_has_its_points_and_can_be_run_again():
    study = study_of({"name": "ccl", "vary": ["r", {"k": [4, 6], "learning_rate": [0.01]}]}, "abmil")
    again = parse_study(yaml.safe_load(yaml.safe_dump(plain(study))))
    assert again == study and again.methods[0].sweeps[0].values == {"groups": (2, None, 6)}


def test_sweeps_may_be_added_to_a_run(tmp_path):
    (tmp_path / "splits.csv").write_text("patient_id,fold,part\n")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(plain(study_of("ccl"))))
    check_folder(study_of({"name": "ccl", "vary": "tau"}), tmp_path)
    with pytest.raises(StudyError, match="holds a run of ccl with other options"):
        check_folder(study_of({"name": "ccl", "k": 5}), tmp_path)


def test_ablations_and_points_start_as_their_method_and_train_by_its_protocol():
    entry = {"name": "ccl", "vary": "k", "ablations": ["cca", "baseline"]}
    planned = planned_methods(study_of(entry, "abmil", protocol="paper"), "cpu", "float32")
    starts = {each.method.title: each.method.starts_as for each in planned}
    assert {title for title, start in starts.items() if start is None} == {"ccl", "abmil"}
    assert starts["ccl-k-4"] == starts["ccl-baseline"] == Method("ccl", "ccl")
    assert {each.spec.choose for each in planned} == {"latest_test_c_index", "last"}
