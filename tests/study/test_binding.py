"""A run folder is bound to the content its folds saw: each change of an input is named, and none is mixed in."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from prognoscope.core.errors import InputError, StudyError
from prognoscope.features.shard import Shard
from prognoscope.simulation.cohort import simulate_cohort
from prognoscope.study import inputs
from prognoscope.study.gather import gather
from prognoscope.study.study import Study
from prognoscope.training import job
from tests.run_files import contents
from tests.study.conftest import COXPH, TINY_MCTI, write_settings

pytestmark = pytest.mark.usefixtures("sketched", "bare")

METHODS = [COXPH, "snn", "abmil", TINY_MCTI]
P = "SIM-0007"  # whose data are changed


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A study with a run of it; not to be changed."""
    folder = tmp_path_factory.mktemp("bound") / "study"
    simulate_cohort(folder, patients=24, seed=1, features_only=True, bag_sizes=(5, 20), embedding_dim=32)
    settings = yaml.safe_load((folder / "study.yaml").read_text())
    patients = pd.read_csv(folder / "clinical.csv")["patient_id"]
    pd.DataFrame({"patient_id": patients, "fold": np.arange(len(patients)) % 2}).to_csv(
        folder / "folds.csv", index=False
    )
    settings |= {"splits": {"table": "folds.csv"}, "training": {"epochs": 1, "patients_per_step": 16}}
    settings |= {"methods": METHODS, "evaluation": {"draws": 10, "surgery": False}}
    settings["cohort"]["truth"] = None
    (folder / "study.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    Study.load(folder / "study.yaml").run()
    return folder


@pytest.fixture
def study(finished, tmp_path) -> Path:
    """A copy, with its run, that a test may change."""
    return shutil.copytree(finished, tmp_path / "study")


def cell(name: str, column: str, value: object):
    """Writes a value for the patient into a table."""

    def change(folder: Path) -> None:
        table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
        assert (table[column] != value).any()
        table.loc[table["patient_id"] == P, column] = value
        table.to_csv(folder / name, index=False)

    return change


def whole(name: str, rewrite):
    """Writes a whole table anew."""

    def change(folder: Path) -> None:
        table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
        rewrite(table).to_csv(folder / name, index=False)

    return change


def bag(rewrite, *, everywhere: bool = False):
    """Changes the file of the patient's first slide, or those of all; size and time of the file stay as they were."""

    def change(folder: Path) -> None:
        slides = sorted((folder / "features").glob("*.h5" if everywhere else f"{P}-A.h5"))
        assert slides
        for path in slides:
            before = path.stat()
            with h5py.File(path, "r+") as file:
                rewrite(file)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def add_to_first(file: h5py.File) -> None:
    file["features"][0, 0] += 1


def other_encoder(file: h5py.File) -> None:
    file["features"].attrs.modify("encoder", "uni")


def other_mpp(file: h5py.File) -> None:
    file["coords"].attrs.modify("mpp", 0.25)


def swap_slides(folder: Path) -> None:
    (folder / "features" / f"{P}-A.h5").write_bytes((folder / "features" / "SIM-0008-A.h5").read_bytes())


def swapped(table: pd.DataFrame) -> pd.DataFrame:
    return table[[*table.columns[:1], *table.columns[:0:-1]]]


def other_event(table: pd.DataFrame) -> pd.DataFrame:
    event = table["event"].tolist()
    return table.assign(event=[*event[:9], str(1 - int(event[9])), *event[10:]])


def other_group(table: pd.DataFrame) -> pd.DataFrame:
    first = table.columns[0]
    return table.assign(**{first: table[first].where(table.index > 0, "")})


def other_fold(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(fold=[str(1 - int(table["fold"][0])), *table["fold"][1:]])


def without_patient(folder: Path) -> None:
    for name in ("clinical.csv", "folds.csv"):
        whole(name, lambda table: table[table["patient_id"] != P])(folder)


def settings(**values):
    def change(folder: Path) -> None:
        write_settings(folder / "study.yaml", {key.replace("__", "."): value for key, value in values.items()})

    return change


ONE = rf"of 1 patient \({P}\)"
CHANGES = {  # what is changed between two starts, and how it is named
    "a time": (cell("clinical.csv", "time_months", "77.7"), f"the outcomes {ONE}"),
    "an event": (whole("clinical.csv", other_event), "the outcomes of 1 patient"),
    "a covariate": (cell("clinical.csv", "age", "99"), f"the covariates {ONE}"),
    "a covariate taken away": (cell("clinical.csv", "age", ""), f"the covariates {ONE}"),
    "a patient gone": (without_patient, rf"1 patient gone \({P}\)"),
    "a gene's value": (cell("genes.csv", "TSG003", "9.5"), f"the genes {ONE}"),
    "a gene's name": (whole("genes.csv", lambda t: t.rename(columns={"UNG001": "UNG999"})), "the genes of 24 patients"),
    "the order of genes": (whole("genes.csv", swapped), "the genes of 24 patients"),
    "a gene group": (whole("groups.csv", other_group), "the gene groups"),
    "a subtype": (cell("subtypes.csv", "subtype", "mucinous"), f"the subtypes {ONE}"),
    "a fold": (whole("folds.csv", other_fold), "the folds"),
    "an embedding": (bag(add_to_first), f"the embeddings {ONE}"),
    "a slide's file for another's": (swap_slides, f"the embeddings {ONE}"),
    "coordinates": (bag(lambda file: file["coords"].__setitem__((0, 0), 99)), f"the embeddings {ONE}"),
    "the encoder": (bag(other_encoder, everywhere=True), r"the encoder \(simulated.* then, uni.* now\)"),
    "the resolution": (bag(other_mpp, everywhere=True), "the encoder .*at 0.5 um.*at 0.25 um"),
    "the resolution as given": (settings(cohort__features__mpp=0.25), "other settings of cohort"),
    "the clipping of genes": (settings(cohort__omics__clip=1.0), "other settings of cohort"),
    "the epochs": (settings(training__epochs=2), "other settings of training"),
    "the seed": (settings(training__seed=2), "other settings of training"),
    "the protocol": (settings(protocol="paper"), "other settings of protocol"),
    "a method's option": (settings(methods=[*METHODS[:3], TINY_MCTI | {"d": 32}]), "a run of mcti with other options"),
    "a method's recipe": (settings(methods=["snn", {"name": "abmil", "training": {"l1": 0.1}}]), "a run of abmil"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_between_two_starts_is_named_and_nothing_is_mixed(study, kind):
    change, named = CHANGES[kind]
    before = contents(study / "run")
    change(study)
    with pytest.raises(StudyError, match=named) as refused:
        Study.load(study / "study.yaml").run()
    assert "--out" in str(refused.value) and contents(study / "run") == before


def test_a_change_of_what_a_finished_fold_did_not_see_does_not_matter(study):
    shutil.rmtree(study / "run")
    Study.load(study / "study.yaml", ["methods=[abmil]"]).run()
    before = contents(study / "run" / "abmil")
    cell("genes.csv", "TSG003", "9.5")(study)
    Study.load(study / "study.yaml", ["methods=[abmil, snn]"]).run()
    assert contents(study / "run" / "abmil") == before


def test_folds_of_a_method_that_is_not_asked_for_any_more_bind_the_run_too(study):
    cell("genes.csv", "TSG003", "9.5")(study)
    with pytest.raises(StudyError, match="the genes of 1 patient"):
        Study.load(study / "study.yaml", ["methods=[{name: snn, label: snn-2}]"]).run()


def test_another_form_of_the_program_does_not_continue_a_run(study, monkeypatch):
    monkeypatch.setattr(job, "FORM", job.FORM + 1)
    with pytest.raises(StudyError, match=r"the program \(form \d+ then, form \d+ now\)"):
        Study.load(study / "study.yaml").run()


def test_the_folds_of_an_earlier_version_are_not_added_to_but_can_be_read(study):
    for path in (study / "run").rglob("manifest.json"):
        path.unlink()
    with pytest.raises(StudyError, match="8 folds of an earlier version.*--out"):
        Study.load(study / "study.yaml").run()


def test_the_same_study_in_another_folder_has_the_same_keys_and_is_continued(finished, study):
    assert not [name for name, data in contents(study / "run").items() if str(finished).encode() in data]
    packs = [path.name for path in (study / "embeddings").glob("*.bags")]
    shutil.rmtree(study / "embeddings")
    before = contents(study / "run")
    Study.load(study / "study.yaml").run()
    assert contents(study / "run") == before
    assert [path.name for path in (study / "embeddings").glob("*.bags")] == packs and len(packs) == 1


def test_a_study_file_in_its_run_can_be_run_again_and_has_the_recipes_that_were_used(study):
    again = Study.load(study / "run" / "study.yaml")
    recipes = {method.title: method.training for method in again.spec.methods}
    assert recipes["abmil"].epochs == 1 and recipes["abmil"].learning_rate == 2e-4 and recipes["abmil"].betas
    assert recipes["coxph"].epochs is None  # it has none
    other = again.run(study / "again").folder
    same = [name for name in contents(study / "run") if name.endswith(".csv") and "figures" not in name]
    assert len(same) > 10 and all(contents(other)[name] == contents(study / "run")[name] for name in same)
    before = contents(study / "run")
    again.run(study / "run")  # into itself: nothing is to be done
    now = contents(study / "run")
    assert {name for name in now if now[name] != before[name]} <= {"provenance.json", "manifest.json", "report.html"}


@pytest.mark.parametrize("key", ["cohort.features.layout=auto", "cohort.features.mpp=0.25"])
def test_a_pack_is_named_after_how_the_files_are_read(study, key):
    loaded = [Study.load(study / "study.yaml", sets) for sets in ([], [key])]
    sums = inputs.embedding_sums(loaded[0], loaded[0].cohort)
    paths = [inputs.packed(each, each.cohort, sums) for each in loaded]
    assert paths[0] != paths[1]
    assert [path.is_file() for path in paths] == [False, True]  # the first is stale, and nobody uses it


def test_a_pack_that_somebody_uses_is_left_and_so_is_what_is_being_written(study):
    loaded = Study.load(study / "study.yaml")
    sums = inputs.embedding_sums(loaded, loaded.cohort)
    path = inputs.packed(loaded, loaded.cohort, sums)
    used = inputs.PackedEmbeddings.open(path)
    half = study / "embeddings" / ".0123456789abcdef.bags.01234567.part"
    half.write_bytes(b"of a process that was killed")
    other = Study.load(study / "study.yaml", ["cohort.features.mpp=0.25"])
    inputs.packed(other, other.cohort, sums)
    assert path.is_file() and not half.exists()
    del used
    inputs.packed(other, other.cohort, sums)
    assert not path.is_file()


def packs_of(study: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(study / "embeddings").items() if name.endswith((".bags", ".shard"))}


def test_a_pack_that_was_damaged_is_made_anew_and_told(study, caplog):
    packs, before = packs_of(study), contents(study / "run")
    (path,) = (study / "embeddings").glob("*.shard")
    whole_pack = path.read_bytes()
    middle = len(whole_pack) // 2
    flipped = whole_pack[:99] + bytes([whole_pack[99] ^ 1]) + whole_pack[100:]
    for damaged in (whole_pack[:middle] + whole_pack[middle + 200 :], flipped, whole_pack[:-5], b""):
        caplog.clear()
        path.write_bytes(damaged)
        gather(Study.load(study / "study.yaml").plan())
        assert packs_of(study) == packs and "The packed embeddings are made anew" in caplog.text
    (index,) = (study / "embeddings").glob("*.bags")
    for damaged in (index.read_bytes()[:-5], b""):
        index.write_bytes(damaged)
        gather(Study.load(study / "study.yaml").plan())
        assert packs_of(study) == packs
    path.write_bytes(flipped)
    Study.load(study / "study.yaml").run()
    assert packs_of(study) == packs and contents(study / "run") == before


def test_a_run_of_a_changed_cohort_writes_the_changed_bag_alone(study):
    (old,) = (study / "embeddings").glob("*.shard")
    inode = old.stat().st_ino
    bag(add_to_first)(study)
    Study.load(study / "study.yaml").run(study / "other")
    shards = set((study / "embeddings").glob("*.shard")) - {old}
    assert old.stat().st_ino == inode and len(shards) == 1
    assert list(Shard(*shards).bags) == [P] and len(Shard(old).bags) == 24


DAMAGES = {  # files of as many folds, so that each is told by itself
    "first": {
        "abmil/fold_0/model.safetensors": "flipped",
        "abmil/fold_1/model.json": "removed",
        "coxph/fold_0/manifest.json": "flipped",
        "coxph/fold_1/predictions.csv": "of another fold",
        "snn/fold_0/predictions.csv": "emptied",
        "snn/fold_1/history.csv": "halved",
    },
    "second": {
        "abmil/fold_0/predictions.csv": "removed",
        "abmil/fold_1/predictions.csv": "flipped",
        "coxph/fold_0/predictions.csv": "halved",
        "coxph/fold_1/manifest.json": "of another fold",
        "snn/fold_0/history.csv": "emptied",
        "snn/fold_1/model.safetensors": "halved",
    },
}


@pytest.mark.parametrize("which", DAMAGES)
def test_damaged_files_of_folds_are_told_by_name_and_made_anew(study, which, caplog):
    before = contents(study / "run")
    for name, how in DAMAGES[which].items():
        damage(study / "run", name, how, before)
    Study.load(study / "study.yaml").run()
    for name in DAMAGES[which]:
        method, fold, file = name.split("/")
        if file != "manifest.json":  # without it a fold is not finished, and that of another fold tells of all files
            told = f"{method}, {fold.replace('_', ' ')}: {file} had been changed, damaged or removed since"
            assert told in caplog.text
    assert contents(study / "run") == before


def damage(run: Path, name: str, how: str, before: dict[str, bytes]) -> None:
    data, at = before[name], len(before[name]) * 2 // 3
    new = {"flipped": data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], "emptied": b"", "halved": data[:at]}
    if how == "removed":
        (run / name).unlink()
    elif how == "of another fold":
        other = name.replace("fold_1", "fold_0")
        assert other != name
        (run / name).write_bytes(before[other])
    else:
        (run / name).write_bytes(new[how])


def test_an_input_that_changes_or_goes_while_a_run_goes_on_is_told_and_what_was_read_is_kept(study, whole_pages):
    shutil.rmtree(study / "run")
    touched = []

    def meddle(standing) -> None:
        if not touched:
            touched.append(True)
            cell("genes.csv", "TSG003", "9.5")(study)
            (study / "subtypes.csv").unlink()
            bag(add_to_first)(study)
            (study / "features" / "SIM-0009-A.h5").unlink()

    plan = Study.load(study / "study.yaml").plan()
    finished = Study.load(study / "study.yaml").run(progress=meddle)
    said = " ".join(finished.notes)
    assert "genes.csv was changed while the run went on." in said
    assert "subtypes.csv was removed while the run went on." in said
    assert f"The embeddings of {P}-A was changed" in said and "The embeddings of SIM-0009-A was removed" in said
    assert finished.run.provenance.inputs == plan.inputs  # of what was read
    assert all(sentence in finished.report.read_text() for sentence in ("genes.csv was changed while the run went on",))
    with pytest.raises(InputError):  # the next start sees what is there then
        Study.load(study / "study.yaml").run()


def test_the_provenance_has_the_command_as_it_was_given(study):
    finished = Study.load(study / "study.yaml", ["evaluation.draws=12", "methods=[snn, meanmil]"]).run(study / "other")
    told = finished.run.provenance
    assert told.command == "prognoscope run study.yaml --set evaluation.draws=12 --set 'methods=[snn, meanmil]'"
    assert set(told.inputs) == {"clinical.csv", "genes.csv", "groups.csv", "slides.csv", "subtypes.csv", "folds.csv"}


@pytest.mark.parametrize(
    "names", [("manifest.json",), ("study.yaml", "splits.csv", "outcomes.csv", "metrics.csv", "provenance.json")]
)
def test_damaged_files_of_the_run_itself_are_made_anew(study, names):
    before = contents(study / "run")
    for name in names:
        damage(study / "run", name, "flipped", before)
    Study.load(study / "study.yaml").run()
    assert contents(study / "run") == before


def test_a_run_whose_study_file_is_damaged_is_bound_all_the_same(study):
    damage(study / "run", "study.yaml", "halved", contents(study / "run"))
    cell("genes.csv", "TSG003", "9.5")(study)
    with pytest.raises(StudyError, match="the genes"):
        Study.load(study / "study.yaml").run()
