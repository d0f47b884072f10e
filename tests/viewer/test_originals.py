import shutil

import numpy as np
import pytest

from prognoscope.core.errors import InputError
from prognoscope.features.store import find_embeddings, read_embeddings
from prognoscope.runs.read import open_finished
from prognoscope.simulation.cohort import simulate_cohort
from prognoscope.study.study import Study
from prognoscope.viewer.facts import Facts
from prognoscope.viewer.neighbours import Search
from prognoscope.viewer.originals import find_originals
from tests.slides.scene import write_scene
from tests.viewer.conftest import SETTINGS

PATIENT, SLIDE = "SIM-0001", "SIM-0001-A"


def test_the_slides_of_a_run_are_those_of_its_study(painted):
    found = find_originals(open_finished(painted / "run"))
    assert found.paths[SLIDE].samefile(painted / "slides" / f"{SLIDE}.tiff") and SLIDE in found.slides[PATIENT]
    assert found.troubles == () and not [slide for slide in found.paths if found.trouble(slide)]
    assert set(found.embeddings) == set(found.paths)


def test_a_replaced_slide_says_so_in_place_and_is_shown(copied):
    path = copied / "slides" / f"{SLIDE}.tiff"
    path.unlink()
    write_scene(path, 1024, 1024)
    told = Facts(open_finished(copied / "run")).about_slide(SLIDE)
    assert told["picture"] and "changed or replaced" in told["trouble"] and str(path.name) in told["trouble"]


def test_a_slide_of_another_size_is_another_slide_even_where_embeddings_tell_nothing(copied):
    path = copied / "slides" / f"{SLIDE}.tiff"
    path.unlink()
    write_scene(path, 900, 800)
    shutil.rmtree(copied / "embeddings")
    told = Facts(open_finished(copied / "run")).about_slide(SLIDE)
    assert "900 x 800 pixels" in told["trouble"] and "1024 x 1024" in told["trouble"]


def test_a_lost_slide_says_so_and_its_map_is_drawn_without_it(copied):
    facts = Facts(open_finished(copied / "run"))
    facts.about_slide(SLIDE)
    (copied / "slides" / f"{SLIDE}.tiff").unlink()
    told = facts.about_slide(SLIDE)
    assert not told["picture"] and "not there any more" in told["trouble"] and told["size_px"] == (1024, 1024)
    assert facts.layer("abmil", PATIENT, SLIDE, "attention", "rank", 0.0).shown > 0
    anew = Facts(open_finished(copied / "run")).about_slide(SLIDE)
    assert not anew["picture"] and "--slides" in anew["trouble"]


def test_a_damaged_slide_says_so(copied):
    (copied / "slides" / f"{SLIDE}.tiff").write_bytes(b"II*\0nothing")
    told = Facts(open_finished(copied / "run")).about_slide(SLIDE)
    assert not told["picture"] and SLIDE in told["trouble"]


def test_moved_slides_are_found_where_the_user_says(copied, tmp_path):
    shutil.move(copied / "slides", tmp_path / "elsewhere")
    run = open_finished(copied / "run")
    lost = find_originals(run)
    assert "--slides" in lost.trouble(SLIDE) and SLIDE in lost.slides[PATIENT], "patients keep their slides"
    found = find_originals(run, tmp_path / "elsewhere")
    assert found.trouble(SLIDE) == "" and found.paths[SLIDE].parent == tmp_path / "elsewhere"


def test_a_run_of_embeddings_alone_opens_and_says_where_pictures_would_come_from(tmp_path, sketched):
    study = simulate_cohort(tmp_path / "c", patients=20, seed=1, features_only=True, bag_sizes=(5, 9))
    run = Study.load(study, SETTINGS).run().run
    facts = Facts(run)
    assert len(facts.about_run()["patients"]) == 20 and "--slides" in facts.about_originals()["troubles"][0]
    slide = facts.about_patient(PATIENT)["slides"][0]
    told = facts.about_slide(slide)
    assert not told["picture"] and told["size_px"] is None and "--slides" in told["trouble"]
    (tmp_path / "s").mkdir()
    write_scene(tmp_path / "s" / f"{slide}.tiff", 900, 800)
    assert Facts(run, tmp_path / "s").about_slide(slide)["picture"]


def test_a_run_whose_study_cannot_be_read_opens_all_the_same(copied):
    (copied / "run" / "study.yaml").write_text("cohort: [")
    found = find_originals(open_finished(copied / "run"))
    assert found.slides == {} and "cannot be read" in found.troubles[0]
    facts = Facts(open_finished(copied / "run"))
    assert facts.about_patient(PATIENT)["slides"] == [SLIDE], "explanations tell of slides too"


def test_a_run_that_is_not_finished_is_refused(tmp_path):
    with pytest.raises(InputError, match="prognoscope run"):
        open_finished(tmp_path)


def test_few_explanations_stay_in_memory(painted, monkeypatch):
    monkeypatch.setattr("prognoscope.viewer.facts.MOST_READ", 2)
    facts = Facts(open_finished(painted / "run"))
    for patient in facts.kept["abmil"]:
        assert len(facts.need_kept("abmil", patient).patches)
        assert facts.need_kept("abmil", patient) is facts.need_kept("abmil", patient)
    assert len(facts._read) == 2
    assert not [each for each in facts.kept["abmil"].values() if "patches" in vars(each)]


def test_neighbours_are_found_by_cosine_and_at_most_two_a_slide(painted):
    found = find_originals(open_finished(painted / "run"))
    own = read_embeddings(found.embeddings[SLIDE])
    x, y = own.coords_px[1].tolist()
    search = Search(found, SLIDE, x, y)
    assert list(search.steps())[-1] == len(found.embeddings) and search.passed == 0
    asked, best = own.features[1].astype(np.float32), []
    for slide, path in find_embeddings(found.embeddings[SLIDE].parent).items():
        other = read_embeddings(path)
        values = other.features.astype(np.float32)
        likeness = values @ asked / (np.linalg.norm(values, axis=1) * np.linalg.norm(asked))
        if slide == SLIDE:
            likeness[1] = -1
        best += [(float(each), slide) for each in np.sort(likeness)[-2:]]
    expected = sorted(best, reverse=True)[:8]
    assert [each.slide for each in search.found] == [slide for _, slide in expected]
    assert [each.likeness for each in search.found] == pytest.approx([value for value, _ in expected], abs=1e-4)


def test_embeddings_that_cannot_be_read_are_passed_over_and_counted(copied):
    found = find_originals(open_finished(copied / "run"))
    x, y = read_embeddings(found.embeddings[SLIDE]).coords_px[0].tolist()
    found.embeddings["SIM-0002-A"].write_bytes(b"nothing")
    search = Search(found, SLIDE, x, y)
    assert len(list(search.steps())) and search.passed == 1 and search.found
