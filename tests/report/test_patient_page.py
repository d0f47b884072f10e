"""Patients' pages, and the section of the report that shows what models look at."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from prognoscope.report.page import write_report
from prognoscope.report.patient_page import curves_behind, risk_ranks, similar_patients, survival_curves
from prognoscope.runs.explanations import About, ToldMap, ToldSlide, keep
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.read import Run

HOSTILE = "<script>alert(1)</script>"
MAPS = (
    ToldMap("attention", "How much of the attention the patch gets.", "share of 1", "model"),
    ToldMap("gradient", "What the patch adds.", "log risk", "gradient x input", is_signed=True),
)


def explain(run, method, patient, slide, log_risk, *, deletion=0.3):
    files = run.files.explanation(method, patient)
    files.folder.mkdir(parents=True)
    pictures = []
    for told in MAPS:
        path = files.picture(slide, told.name, ".png")
        Image.fromarray(np.full((60, 80, 3), 200, np.uint8)).save(path)
        pictures.append(path)
    measures = [("attention", "deletion_area", deletion), ("attention", "random_deletion_area", 0.1)]
    tables = {
        "faithfulness": pd.DataFrame(measures, columns=["map", "measure", "value"]),
        "gene_groups": pd.DataFrame({"group": ["A", "B"], "integrated_gradients": [0.5, -0.2]}),
        "genes": pd.DataFrame({"group": "A", "gene": ["G1"], "value": [1.0], "integrated_gradients": [0.4]}),
        "modalities": pd.DataFrame({"modality": ["slides"], "shapley": [0.1], "without": [0.2]}),
    }
    about = About(patient, method, (0,), log_risk, MAPS, (ToldSlide(slide, 4, 256.0, 0.5),), (), ("A note.",))
    keep(files, about, tables, pictures, Fingerprint({}))


def with_months(folder):
    for path in folder.glob("*/fold_*/predictions.csv"):
        table = pd.read_csv(path, dtype={"patient_id": str})
        bins = [name for name in table if name.startswith("S_")]
        table = table.assign(**{f"months_{i}": 10.0 * (i + 1) for i in range(len(bins))})
        table.to_csv(path, index=False)
    return Run(folder)


@pytest.fixture(scope="module")
def explained(small_run, sketched, tmp_path_factory):
    folder = shutil.copytree(small_run, tmp_path_factory.mktemp("explained") / "run")
    run = with_months(folder)
    risks = run.method("mcti").predictions.sort_values("risk")["patient_id"].tolist()
    explain(run, "mcti", risks[-1], HOSTILE, 2.0)
    explain(run, "mcti", risks[0], "s0", -2.0, deletion=0.05)
    write_report(folder)
    return folder, risks[-1], risks[0]


def test_the_report_shows_both_ends_says_what_is_not_faithful_and_links_to_pages(explained):
    folder, high, low = explained
    page = (folder / "report.html").read_text()
    section = page.split('<h2 id="explanations">')[1].split("<h2")[0]
    assert section.index(f"patients/{high}.html") < section.index(f"patients/{low}.html")
    assert "Not faithful: without its top patches" in section and "Faithful by deletion" in section
    assert section.count("data:image/jpeg;base64,") == 4


def test_a_page_tells_of_the_patient_and_links_to_files_that_are_there(explained):
    folder, high, _ = explained
    page = (folder / "patients" / f"{high}.html").read_text()
    for word in (
        "Predicted survival",
        "mcti: what it rests on",
        "A note.",
        "Patients with alike predictions",
        "slides",
    ):
        assert word in page
    for href in re.findall(r'href="(\.\./[^"]+)"', page):
        assert (folder / "patients" / href).is_file(), href


def test_nothing_of_a_page_is_run_or_asked_of_the_network(explained):
    folder, *_ = explained
    for path in (folder / "patients").glob("*.html"):
        page = path.read_text()
        assert "<script>" not in page and not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_pages_of_patients_who_are_no_more_explained_go(explained, only, tmp_path):
    only("explanations")
    folder = shutil.copytree(explained[0], tmp_path / "run")
    stale = folder / "patients" / "gone.html"
    stale.write_text("x")
    write_report(folder)
    assert not stale.exists() and len(list((folder / "patients").glob("*.html"))) == 2


def test_a_run_that_nobody_explained_has_neither_section_nor_pages(run_copy, undrawn, only):
    only("methods", "explanations")
    write_report(run_copy)
    assert 'id="explanations"' not in (run_copy / "report.html").read_text()
    assert not (run_copy / "patients").exists()


def test_alike_is_who_has_the_nearest_ranks(run_copy):
    run = Run(run_copy)
    patient = run.outcomes.patients[0]
    alike = similar_patients(run, patient, risk_ranks(run))
    assert len(alike) == 5 and patient not in {each["patient"] for each in alike}
    assert all(re.search(r"(event|last seen without event) at month \d+\.\d", each["became"]) for each in alike)


def test_curves_begin_at_one_and_those_of_others_are_of_one_method(run_copy):
    run = with_months(run_copy)
    curves = survival_curves(run, run.outcomes.patients[0], curves_behind(run))
    assert (curves[curves["months"] == 0]["survival"] == 1).all()
    assert set(curves[curves["patient_id"] == ""]["method"]) == set(run.methods)
    assert curves[curves["patient_id"] != ""]["method"].nunique() == 1


def test_a_run_that_does_not_tell_months_has_no_curves(run_copy):
    run = Run(run_copy)
    assert survival_curves(run, run.outcomes.patients[0], curves_behind(run)).empty


def test_who_is_alike_has_the_ranks_that_are_closest(run_copy):
    run = Run(run_copy)
    ranks = risk_ranks(run)
    patient = ranks.index[7]
    apart = ((ranks - ranks.loc[patient]) ** 2).sum(axis=1).drop(patient)
    assert similar_patients(run, patient, ranks)[0]["patient"] == apart.idxmin()
    assert similar_patients(run, "nobody", ranks) == []
