"""A multimodal method beside late fusion of methods that see one modality each."""

from dataclasses import replace

import numpy as np
import pytest

from prognoscope.analysis.late_fusion import beside_late, fused_by_ranks
from prognoscope.evaluation.metrics import c_index
from prognoscope.models.registry import card_of, list_models, profile_of
from prognoscope.runs.provenance import write_provenance
from prognoscope.runs.read import Run
from prognoscope.runs.tables import TRAINING_RISKS
from prognoscope.study.comparing import compare_runs
from tests.analysis.fake_runs import write_run

BRANCHES = ("snn", "meanmil")


@pytest.fixture
def run_of(tmp_path):
    """A run of methods, title -> share of the truth, of which `best` (mcti) has the branches."""

    def made(knows):
        folder = write_run(tmp_path / "-".join(knows), knows=knows)
        run = Run(folder)
        for method in knows:
            for number, table in run.method(method).tested.items():
                TRAINING_RISKS.write(run.files.fold(method, number).training_risks, table[["patient_id", "risk"]])
        write_provenance(run.files.provenance, replace(run.provenance, branches={"best": BRANCHES}))
        return Run(folder)

    return made


def test_ranks_are_places_among_training_risks_and_their_mean_is_better_than_either(run_of):
    run = run_of({"good": 0.45, "poor": 0.45, "best": 0.2})
    fused = fused_by_ranks(run, ["good", "poor"])
    of = {name: np.mean([c_index(fold) for fold in run.folds(name)]) for name in ("good", "poor")}
    assert np.mean([c_index(fold) for fold in fused]) > max(of.values())
    own = run.method("good").tested[0].set_index("patient_id")["risk"]
    other = run.method("poor").tested[0].set_index("patient_id")["risk"]
    mean = (own.rank(pct=True) + other.rank(pct=True)) / 2 - 0.5 / len(own)
    np.testing.assert_allclose(fused[0].prediction.risk, mean[list(fused[0].outcome.patients)])


@pytest.mark.parametrize(
    ("parts", "share", "says"),
    [(0.1, 0.95, "best beats late fusion of"), (0.3, 0.05, "best is worse than"), (0.3, 0.95, "is not shown to beat")],
)
def test_a_method_is_told_to_beat_its_parts_by_a_paired_interval(run_of, parts, share, says):
    (found,) = beside_late(run_of({"good": parts, "poor": parts, "best": share}))
    assert says in found.sentence and "its single-modality parts, snn and meanmil" in found.sentence
    assert found.difference.low < found.difference.difference < found.difference.high


def test_its_interval_is_of_as_many_draws_as_the_study_asked_for(run_of):
    run = run_of({"good": 0.1, "poor": 0.1, "best": 0.95})
    write_provenance(run.files.provenance, replace(run.provenance, draws=1))
    (found,) = beside_late(Run(run.folder))
    assert found.difference.low == found.difference.high


def test_late_of_the_run_stands_in_and_without_it_the_sentence_says_what_to_add(run_of):
    (found,) = beside_late(run_of({"good": 0.5, "late": 0.6, "best": 0.9}))
    assert found.fused == ("late",) and "late fusion (late, which stands in for snn and meanmil" in found.sentence
    (found,) = beside_late(run_of({"good": 0.5, "best": 0.9}))
    assert found.sentence.endswith("single-modality parts: add snn and meanmil, or late, to methods.")


def test_every_method_of_slides_and_genes_names_a_branch_for_each():
    for name in list_models():
        branches, profile = card_of(name).branches, profile_of(name)
        if profile.needs | profile.takes >= {"bag", "omics"} and not profile.members:
            assert [profile_of(each).uses & {"bag", "omics"} for each in branches] == [{"omics"}, {"bag"}], name
        else:
            assert not branches


def test_a_comparison_says_of_which_cohort_it_speaks(tmp_path):
    folders = [tmp_path / name / "run" for name in ("blca", "luad")]
    for number, folder in enumerate(folders):
        write_run(folder, knows={"mcti": 0.9, "abmil": 0.5}, name=folder.parent.name, cohort=number)
        run = Run(folder)
        write_provenance(run.files.provenance, replace(run.provenance, branches={"mcti": BRANCHES}))
    notes = compare_runs(folders, draws=20).notes
    assert {note.split(": ")[0] for note in notes if "Nothing shows whether mcti" in note} == {"blca", "luad"}
