"""Painted slides to a report, with nothing replaced by anything simpler."""

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from prognoscope.cli import main
from prognoscope.study.apply.predict import predict_patients
from prognoscope.study.study import Study

MCTI = "{name: mcti, k: 4, d: 16, gene_hidden: 16, layers: 1, gene_groups: 2, gene_heads: 2}"
SETTINGS = [
    f"methods=[{{name: coxph, penalizers: [0.1]}}, meanmil, {MCTI}]",
    "training.epochs=2",
    "splits.folds=2",
    "evaluation.draws=20",
]


@pytest.fixture(scope="module")
def run(painted_cohort, tmp_path_factory):
    folder = shutil.copytree(painted_cohort, tmp_path_factory.mktemp("damaged") / "cohort")
    first = min((folder / "slides").iterdir())
    first.write_bytes(b"not a slide")
    (embeddings,) = folder.glob(f"embeddings/stain-*/{first.stem}.h5")
    embeddings.unlink()
    return Study.load(folder / "study.yaml", SETTINGS).run()


def test_slides_become_embeddings_patients_a_table_and_the_table_a_page(run):
    title, table = run.printed()
    assert title == "simulated, protocol honest, 2 folds"
    assert len(table) == 6  # three methods, three oracles
    page = run.report.read_text()
    assert page.count("<svg") >= 8 and "coxph" in page


def test_a_damaged_slide_is_named_and_does_not_stop_the_others(run):
    account = pd.read_csv(run.folder / "account.csv")
    assert any("was left out" in note and "SIM-0001" in note for note in run.notes)
    assert account["step"].str.contains("slides left out").any()
    tested = pd.read_csv(run.folder / "splits.csv").query("part == 'test'")["patient_id"]
    assert len(tested) >= 19
    table = predict_patients(run.folder, run.folder.parent / "study.yaml", method="meanmil", overlap="keep")
    told = [each for each in table.attrs["left_out"] if each.startswith("1 slide gave no embeddings: SIM-0001")]
    assert len(told) == 1


def test_embeddings_lie_where_the_tissue_is(run):
    study_folder = run.folder.parent
    checked = 0
    for path in sorted(study_folder.glob("embeddings/stain-*/*.h5"))[:5]:
        truth = pd.read_csv(study_folder / "truth" / "patches" / f"{path.stem}.csv")
        tissue = {(row.x, row.y): row.background for row in truth.itertuples()}
        with h5py.File(path) as file:
            coords = np.asarray(file["coords"])
        background = [tissue[tuple(at)] for at in coords.tolist() if tuple(at) in tissue]
        assert len(background) == len(coords) and np.mean(background) < 0.3
        checked += 1
    assert checked == 5


def test_the_commands_of_the_first_hour_do_what_its_page_says(run, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "first_hour.md").read_text(encoding="utf-8")
    commands = [line.split()[1:] for line in re.findall(r"^prognoscope .+", page, re.MULTILINE)]
    assert [words[0] for words in commands] == ["simulate", "init", "check", "extract", "run"]
    methods = re.search(r"^methods: .+", page, re.MULTILINE)
    assert methods is not None
    (tmp_path / "own" / "slides").mkdir(parents=True)
    for path in sorted((run.folder.parent / "slides").iterdir())[1:]:  # the first one was damaged above
        shutil.copy(path, tmp_path / "own" / "slides")
    for name in ("clinical.csv", "genes.csv"):
        shutil.copy(run.folder.parent / name, tmp_path / "own")
    monkeypatch.chdir(tmp_path)

    def said(words):
        with pytest.raises(SystemExit) as ended:
            main(words)
        out = "".join(capsys.readouterr())
        assert ended.value.code in (0, None), out
        return out

    said(commands[1])
    study = Path("own/study.yaml")
    written = study.read_text(encoding="utf-8")
    study.write_text(re.sub(r"^methods: .+", methods[0], written, flags=re.MULTILINE), encoding="utf-8")
    told = said(commands[2])
    assert "Ready to run" in told
    rows = re.findall(r"^\| (\w[\w ]+) \|", page.split("What it shows")[1].split("\n\n")[1], re.MULTILINE)
    assert [row for row in rows if row not in told and row != "part"] == []
    shutil.copytree(run.folder.parent / "embeddings", tmp_path / "own" / "embeddings")  # which takes most of the time
    assert "Embeddings: 0 slides now, 20 before" in said(commands[3])
    assert "coxph" in said([*commands[4], "--set", "evaluation.draws=20"])
    assert Path("own/run/report.html").is_file() and Path("own/run/previews").is_dir()
