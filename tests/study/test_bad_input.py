"""Whatever is wrong with the input: one sentence that says what, where and what to do, and nothing half written."""

import gzip
import resource
import shutil
import zipfile
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from PIL import Image

from prognoscope import cli
from prognoscope.study.study import Study
from tests.sketches import whole_pages

pytestmark = pytest.mark.usefixtures("sketched", "bare")

CHECK, RUN, EXTRACT = ("check", "study.yaml"), ("run", "study.yaml"), ("extract", "study.yaml")


class Folder:
    """A study that a test may spoil, one thing at a time."""

    def __init__(self, at: Path):
        self.at = at

    def set(self, **values) -> None:
        """Replace settings, `__` for a dot; ... removes one."""
        path = self.at / "study.yaml"
        settings = yaml.safe_load(path.read_text())
        for name, value in values.items():
            *sections, last = name.split("__")
            place = settings
            for section in sections:
                place = place.setdefault(section, {})
            if value is ...:
                place.pop(last, None)
            else:
                place[last] = value
        path.write_text(yaml.safe_dump(settings, sort_keys=False))

    def edit(self, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        change(pd.read_csv(self.at / name, dtype=object)).to_csv(self.at / name, index=False)

    def cell(self, column: str, value: str, name: str = "clinical.csv", row: int = 4) -> None:
        def put(table):
            table.loc[row, column] = value
            return table

        self.edit(name, put)

    def column(self, column: str, value: str, name: str = "clinical.csv") -> None:
        """The same in all rows; {} stands for the row's number."""
        self.edit(name, lambda table: table.assign(**{column: [value.format(i) for i in range(len(table))]}))

    def twice(self, name: str, **others) -> None:
        def repeat(table):
            return pd.concat([table, table[table["patient_id"] == "SIM-0004"].head(1).assign(**others)])

        self.edit(name, repeat)

    def write(self, name: str, content: str | bytes) -> None:
        path = self.at / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def remove(self, name: str) -> None:
        path = self.at / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def cut(self, name: str) -> None:
        content = (self.at / name).read_bytes()
        self.write(name, content[: len(content) // 2])

    def embedding(self, change: Callable[[np.ndarray], np.ndarray], slides: str = "SIM-0004-A.h5") -> None:
        for path in (self.at / "features").glob(slides):
            with h5py.File(path, "r+") as file:
                for name in ("features", "coords"):
                    values, about = file[name][:], dict(file[name].attrs)
                    changed = change(values) if name == "features" else values[: len(change(values))]
                    del file[name]
                    file[name] = changed
                    file[name].attrs.update(about)

    def with_slides(self) -> Path:
        """Slides instead of embeddings; returns the path of the first, which is not there yet."""
        self.set(cohort__features=..., cohort__slides={"folder": "slides", "table": "slides.csv"}, methods=["abmil"])
        (self.at / "slides").mkdir()
        return self.at / "slides" / "SIM-0001-A.tiff"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(study_folder, monkeypatch):
    monkeypatch.chdir(study_folder)
    return Folder(study_folder)


@pytest.fixture
def told(capsys):
    """Run a command in this process: its exit code and what it said on stderr."""

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            cli.main(arguments)
        return stopped.value.code, capsys.readouterr().err.strip()

    return run


def refuses(told, folder: Path, arguments, *words: str, code: int = 2, may_write: str = "nothing") -> None:
    before = contents(folder)
    found, said = told(*arguments)
    assert found == code, said
    assert said.startswith("error: ") and said.endswith((".", "?", "."))
    assert "\n" not in said and "Traceback" not in said
    for word in words:
        assert word in said, said
    after = contents(folder)
    written = {
        name for name in after if after[name] != before.get(name) and may_write not in name and "file_sums" not in name
    }
    assert not written and not set(before) - set(after)


STUDY_FILE = {
    "an unknown key": (
        lambda f: f.set(cohort__clinical__covariate=["age"]),
        ["cohort.clinical.covariate", "covariates"],
    ),
    "an unknown section": (lambda f: f.set(trainings={"epochs": 3}), ["'trainings'", "'training'"]),
    "an unknown key of a recipe": (lambda f: f.set(training__epoch=3), ["'training.epoch'", "'epochs'"]),
    "a key of another section": (lambda f: f.set(splits__epochs=3), ["'splits.epochs'", "belongs to training"]),
    "a method's recipe": (
        lambda f: f.set(methods=[{"name": "snn", "training": {"epoch": 1}}]),
        ["'epochs'", "entry 1"],
    ),
    "not YAML": (lambda f: f.write("study.yaml", "name: [a\ncohort: {"), ["study.yaml, line 2, is not YAML"]),
    "a tab": (lambda f: f.write("study.yaml", "name: a\n\tcohort: b"), ["line 2", "a tab stands where"]),
    "a picture": (lambda f: f.write("study.yaml", bytes(range(256))), ["study.yaml is not UTF-8 text"]),
    "an empty file": (lambda f: f.write("study.yaml", ""), ["study.yaml is empty", "prognoscope init"]),
    "a list": (lambda f: f.write("study.yaml", "- a"), ["holds a list", "prognoscope init"]),
    "a key twice": (
        lambda f: f.write("study.yaml", "name: a\nname: b"),
        ["line 2", "'name' is there already in line 1"],
    ),
    "no methods": (lambda f: f.set(methods=[]), ["methods is empty"]),
    "methods absent": (lambda f: f.set(methods=...), ["methods is missing"]),
    "a method twice": (lambda f: f.set(methods=["snn", "snn"]), ["'snn' is listed twice", "label"]),
    "an unknown method": (lambda f: f.set(methods=["abmill"]), ["no method 'abmill'", "did you mean 'abmil'?"]),
    "an unknown encoder": (
        lambda f: f.set(features__encoder="resnet51"),
        ["no encoder 'resnet51'", "'resnet50_trunc'"],
    ),
    "code as an encoder": (
        lambda f: f.set(features__encoder="os:system"),
        ["os:system names code, which no study file may", 'project.entry-points."prognoscope.encoders"'],
    ),
    "an encoder that is only read": (
        lambda f: f.set(features__encoder="conch_v1"),
        ["conch_v1 is not computed here", "cohort.features"],
    ),
    "a wrong option": (
        lambda f: f.set(methods=[{"name": "abmil", "hiden": 3}]),
        ["abmil has no option", "'hidden_dim'"],
    ),
    "an option of another kind": (lambda f: f.set(methods=[{"name": "abmil", "hidden_dim": -3}]), ["hidden_dim=-3"]),
    "a word for a number": (lambda f: f.set(training__epochs="many"), ["training.epochs must be a whole number, not"]),
    "no epochs": (lambda f: f.set(training__epochs=0), ["training.epochs must be at least 1, not 0"]),
    "an unknown unit": (lambda f: f.set(cohort__clinical__time_unit="month"), ["months, days or years", "'months'?"]),
    "event and censored": (lambda f: f.set(cohort__clinical__censored="event"), ["either event", "not both"]),
    "neither of them": (lambda f: f.set(cohort__clinical__event=...), ["cohort.clinical", "add event or censored"]),
    "a name with blanks": (lambda f: f.set(name="my study"), ["name must be of letters", "'my study'"]),
    "a label that climbs": (lambda f: f.set(methods=[{"name": "snn", "label": "../x"}]), ["label must be of letters"]),
    "no cohort": (lambda f: f.set(cohort=...), ["cohort is missing"]),
    "a file for a section": (lambda f: f.set(cohort="clinical.csv"), ["cohort must be a section of keys and values"]),
    "slides and features": (lambda f: f.set(cohort__slides__folder="x"), ["cohort: give slides, or features"]),
}
TABLES = {
    "a missing clinical table": (lambda f: f.remove("clinical.csv"), ["clinical.csv does not exist"]),
    "a missing gene table": (lambda f: f.remove("genes.csv"), ["gene table", "genes.csv does not exist"]),
    "a missing file of groups": (lambda f: f.remove("groups.csv"), ["groups.csv does not exist"]),
    "a missing subtype table": (lambda f: f.remove("subtypes.csv"), ["subtypes.csv does not exist"]),
    "a missing slide table": (lambda f: f.remove("slides.csv"), ["slides.csv does not exist"]),
    "a missing truth": (lambda f: f.remove("truth/patients.csv"), ["patients.csv does not exist"]),
    "missing embeddings": (lambda f: f.remove("features"), ["features does not exist", "study file"]),
    "a missing column of times": (
        lambda f: f.set(cohort__clinical__time="months"),
        ["clinical.csv has no column 'months'"],
    ),
    "a missing column of patients": (
        lambda f: f.set(cohort__clinical__patient="pid"),
        ["no column 'pid'", "patient_id"],
    ),
    "a missing covariate": (lambda f: f.set(cohort__clinical__covariates=["agee"]), ["'agee'", "did you mean 'age'?"]),
    "a missing column of subtypes": (lambda f: f.set(cohort__subtype__column="sub"), ["subtypes.csv", "'subtype'?"]),
    "a patient twice": (
        lambda f: f.twice("clinical.csv", event="1", age="1"),
        ["clinical.csv", "SIM-0004 (rows 5, 42", "Leave one row"],
    ),
    "a patient's genes twice": (lambda f: f.twice("genes.csv"), ["genes.csv", "SIM-0004", "Leave one row"]),
    "a slide of two patients": (
        lambda f: f.twice("slides.csv", patient_id="SIM-0001"),
        ["slides.csv", "1 slide to more than one patient: SIM-0004-A (SIM-0001, SIM-0004)"],
    ),
    "a negative time": (lambda f: f.cell("time_months", "-3"), ["clinical.csv", "SIM-0005 in row 6", "-3 is negative"]),
    "a time of zero": (lambda f: f.cell("time_months", "0"), ["SIM-0005 in row 6", "0 is zero", "bad_time: drop"]),
    "a missing time": (lambda f: f.cell("time_months", ""), ["SIM-0005 in row 6", "time_months is missing"]),
    "an infinite time": (lambda f: f.cell("time_months", "inf"), ["SIM-0005 in row 6", "time_months is infinite"]),
    "a time in words": (lambda f: f.cell("time_months", "12 months"), ["SIM-0005 in row 6", "not a number"]),
    "an event of two": (lambda f: f.cell("event", "2"), ["SIM-0005 in row 6 is '2'", "event_values"]),
    "a missing event": (lambda f: f.cell("event", ""), ["SIM-0005 in row 6 (no event)"]),
    "a row without patient": (lambda f: f.cell("patient_id", ""), ["no patient_id in row 6"]),
    "all censored": (lambda f: f.column("event", "0"), ["None of the 40 patients", "clinical.csv", "censored"]),
    "two units by name": (lambda f: f.set(cohort__clinical__time_unit="days"), ["named after months", "says days"]),
    "two units by row": (
        lambda f: f.edit("clinical.csv", lambda t: t.assign(unit=["months"] * 7 + ["days"] * (len(t) - 7))),
        ["unit in row 9 says days", "Convert"],
    ),
    "two units in two columns": (
        lambda f: f.edit("clinical.csv", lambda t: t.assign(time_days=t["time_months"])),
        ["'time_months' in months and 'time_days' in days", "Correct time_unit"],
    ),
    "no gene of the groups": (
        lambda f: f.write("groups.csv", "Fam A,Fam B\nNOSUCH1,NOSUCH2\n"),
        ["None of the 324 gene columns", "NOSUCH1", "genes.csv"],
    ),
    "a gene in words": (
        lambda f: f.cell("TSG003", "high", "genes.csv"),
        ["'high'", "'TSG003'", "SIM-0005", "genes.csv"],
    ),
    "an infinite gene": (lambda f: f.cell("TSG003", "inf", "genes.csv"), ["infinite", "SIM-0005", "'TSG003'"]),
    "genes of others": (
        lambda f: f.column("patient_id", "X{}", "genes.csv"),
        ["snn needs genes", "X0, X1", "SIM-0001", "Write the ids"],
    ),
    "slides of others": (
        lambda f: f.column("slide_id", "S{}", "slides.csv"),
        ["SIM-0001-A", "slides.csv", "S0 of SIM-0001", "Write the ids"],
    ),
    "slides named after nobody": (
        lambda f: (
            [p.rename(p.with_name(f"x{p.name}")) for p in (f.at / "features").iterdir()]
            and f.set(cohort__features__table=...)
        ),
        ["xSIM-0001-A", "does not begin with a patient's id", "Give a table"],
    ),
    "a row that is too long": (
        lambda f: f.write("clinical.csv", (f.at / "clinical.csv").read_text() + "SIM-9,3,1,4,5,6,7\n"),
        ["clinical.csv", "SIM-9", "Correct the row"],
    ),
    "an empty table": (lambda f: f.write("clinical.csv", ""), ["clinical.csv is empty"]),
    "a table of a header": (lambda f: f.write("clinical.csv", "patient_id,time_months\n"), ["clinical.csv", "no "]),
    "Latin-1": (lambda f: f.write("clinical.csv", "patient_id\nM\xfcller".encode("latin-1")), ["UTF-8", "line 2"]),
    "an old spreadsheet under another name": (
        lambda f: f.write("clinical.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ["clinical.csv is a spreadsheet of another kind than .xlsx", "Save its sheet as CSV."],
    ),
    "a damaged workbook": (
        lambda f: damaged_workbook(f.at / "clinical.csv"),
        ["clinical.csv cannot be read as a workbook", "Save its sheet as CSV"],
    ),
    "a packed table cut short": (
        lambda f: f.write("genes.csv", gzip.compress((f.at / "genes.csv").read_bytes())[:9000]),
        ["genes.csv cannot be unpacked", "again"],
    ),
    "a folder for a table": (
        lambda f: f.set(cohort__clinical__table="features"),
        ["features is a folder. Name the file"],
    ),
    "a folder for genes": (lambda f: f.set(cohort__omics__table="features"), ["features is a folder. Name the file"]),
    "a file for a folder": (lambda f: f.set(cohort__features__folder="genes.csv"), ["genes.csv does not exist"]),
    "a folder without embeddings": (
        lambda f: f.remove("features") or (f.at / "features").mkdir(),
        ["There are no embeddings", "features"],
    ),
    "a fold without events": (
        lambda f: (
            f.write("folds.csv", "patient_id,fold\n" + fold_of_censored(f.at)) or f.set(splits__table="folds.csv")
        ),
        ["The test part of fold 2", "no event"],
    ),
    "folds of a missing table": (
        lambda f: f.set(splits__table="folds.csv"),
        ["table of folds", "folds.csv does not exist"],
    ),
    "split files that are not there": (
        lambda f: f.set(splits__files="splits_{fold}.csv"),
        ["no split file", "splits_{fold}.csv", "Correct the path"],
    ),
    "more folds than events": (lambda f: f.set(splits__folds=30), ["no event", "Take fewer folds"]),
    "hospitals that nobody named": (
        lambda f: f.set(splits__group="site", cohort__clinical__site=...),
        ["The site of 40 patients is unknown", "cohort.clinical.site"],
    ),
    "mcti without genes": (
        lambda f: f.set(cohort__omics=..., methods=["mcti"]),
        ["mcti needs genes", "Give cohort.omics", "take mcti off"],
    ),
    "mcti without slides": (
        lambda f: f.set(cohort__features=..., methods=["mcti"]),
        ["mcti needs slides", "cohort.slides"],
    ),
    "mcti without subtypes": (
        lambda f: f.set(cohort__subtype=..., methods=["mcti"]),
        ["mcti", "no subtypes", "cohort.subtype", "aux_task"],
    ),
    "coxph with nothing": (
        lambda f: f.set(cohort__omics=..., cohort__clinical__covariates=..., methods=["coxph"]),
        ["coxph needs clinical covariates or genes", "cohort.clinical.covariates"],
    ),
    "covariates that are all missing": (
        lambda f: (
            f.column("age", "") or f.set(cohort__clinical__covariates=["age"], cohort__omics=..., methods=["coxph"])
        ),
        ["All values of age are missing", "Fill them in"],
    ),
    "embeddings of two lengths": (
        lambda f: f.embedding(lambda values: np.hstack([values, values])),
        ["SIM-0001-A", "32", "SIM-0004-A", "64", "one encoder"],
    ),
    "embeddings cut short": (
        lambda f: [f.cut(f"features/{path.name}") for path in (f.at / "features").iterdir()],
        ["52 of 52 embedding files cannot be used: no whole HDF5 file", "SIM-0001-A.h5", "more than cohort.features"],
    ),
    "embeddings of no bytes": (
        lambda f: f.write("features/SIM-0004-A.h5", "") or f.set(cohort__features__most_bad=0),
        ["SIM-0004-A.h5", "an empty file", "more than cohort.features.most_bad allows"],
    ),
}


def damaged_workbook(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")


def fold_of_censored(at: Path) -> str:
    """All who are in fold 2 of three are made to be censored."""
    table = pd.read_csv(at / "clinical.csv", dtype=str)
    fold = np.arange(len(table)) % 3
    table.loc[fold == 2, "event"] = "0"
    table.to_csv(at / "clinical.csv", index=False)
    return "".join(f"{p},{k}\n" for p, k in zip(table["patient_id"], fold, strict=True))


@pytest.mark.parametrize("what", STUDY_FILE)
def test_a_study_file_that_is_wrong_is_refused_in_a_sentence(what, folder, told):
    spoil, words = STUDY_FILE[what]
    spoil(folder)
    refuses(told, folder.at, CHECK, *words)


@pytest.mark.parametrize("what", TABLES)
def test_input_that_cannot_be_used_is_refused_in_a_sentence(what, folder, told):
    spoil, words = TABLES[what]
    spoil(folder)
    refuses(told, folder.at, CHECK, *words)


@pytest.mark.parametrize(
    "what", ["a missing truth", "a fold without events", "embeddings of two lengths", "slides of others"]
)
def test_what_check_refuses_run_refuses_before_it_writes(what, folder, told):
    spoil, words = TABLES[what]
    spoil(folder)
    refuses(told, folder.at, RUN, *words)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda f: f.embedding(lambda x: np.where(np.arange(x.size).reshape(x.shape) == 7, np.nan, x), "*.h5"),
            ["SIM-0001-A.h5", "NaN", "52 of 52"],
        ),
        (
            lambda f: f.embedding(lambda values: values[:0], "*.h5"),
            ["no patch in any slide", "at least one patch"],
        ),
        (lambda f: f.set(training__device="cuda"), ["training.device is cuda", "no GPU", "auto or cpu"]),
        (lambda f: f.set(training__device="gpu"), ["no device 'gpu'", "cpu"]),
        (
            lambda f: f.set(cohort__features__layout="stamp"),
            ["SIM-0001-A.h5", "no dataset 'feats' but coords, features"],
        ),
    ],
    ids=["NaN", "zero patches", "cuda", "gpu", "layout"],
)
def test_what_only_a_run_finds_is_refused_in_a_sentence(spoil, words, folder, told, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    folder.set(methods=["abmil"])
    spoil(folder)
    refuses(told, folder.at, RUN, *words, may_write="embeddings/")  # packs are whole, and made anew for other input


def test_a_patient_without_patches_is_left_out_and_accounted_for(folder, told):
    folder.embedding(lambda values: values[:0], "SIM-0005-A.h5")
    folder.set(methods=["abmil"], training__epochs=1, splits__folds=2, evaluation__draws=10)
    assert told(*RUN) == (0, "")
    account = pd.read_csv(folder.at / "run" / "account.csv")
    assert "SIM-0005" in account.loc[account["step"] == "with at least one patch", "who"].item()


OVERRIDES = {
    "epochs": ["--set wants section.key=value", "'epochs'"],
    "=3": ["--set wants section.key=value"],
    "training.epoch=3": ["no key 'training.epoch'", "'epochs'"],
    "name.x=3": ["name holds no keys"],
    "methods.0=snn": ["methods holds no keys", "as a whole"],
    "methods=[snn": ["methods=[snn: the value is not YAML"],
}


@pytest.mark.parametrize("override", OVERRIDES)
def test_a_malformed_setting_is_refused_in_a_sentence(override, folder, told):
    refuses(told, folder.at, (*CHECK, "--set", override), *OVERRIDES[override])


SLIDES = {
    "no tissue": (lambda p: blank(p), "no tissue was found"),
    "cut short": (lambda p: blank(p) or p.write_bytes(p.read_bytes()[:3000]), "Get the file again"),
    "text": (lambda p: p.write_text("hello"), "not a slide"),
    "no bytes": (lambda p: p.write_text(""), "is an empty file"),
    "no resolution": (
        lambda p: Image.fromarray(np.full((300, 300, 3), 90, np.uint8)).save(p.with_suffix(".png")),
        "cohort.slides.mpp",
    ),
}


def blank(path: Path) -> None:
    white = np.full((512, 512, 3), 255, np.uint8)
    tifffile.imwrite(path, white, photometric="rgb", tile=(256, 256), resolution=(20000, 20000), resolutionunit=3)


@pytest.mark.parametrize("what", SLIDES)
def test_a_slide_that_cannot_be_used_is_listed_with_its_reason(what, folder, told):
    make, words = SLIDES[what]
    make(folder.with_slides())
    before = contents(folder.at)
    code, said = told(*EXTRACT)
    assert code == 1
    assert said.startswith("left out: SIM-0001-A: ") and words in said and "\n" not in said
    assert str(folder.at / "slides" / "SIM-0001-A") in said
    shutil.rmtree(folder.at / "embeddings", ignore_errors=True)  # of previews alone
    assert contents(folder.at) == before


def test_a_run_none_of_whose_slides_can_be_used_stops(folder, told):
    folder.edit("clinical.csv", lambda table: table.head(12))
    first = folder.with_slides()
    blank(first)
    for number in range(2, 13):
        shutil.copy(first, first.with_name(f"SIM-{number:04}-A.tiff"))
    code, said = told(*RUN)
    assert code == 2
    assert "error: None of the 12 slides gave embeddings; of SIM-0001-A: no tissue" in said
    assert not (folder.at / "run").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: f.with_slides(), ["There are no slides in", "cohort.slides.folder"]),
        (lambda f: f.with_slides().parent.rmdir(), ["slides does not exist", "cohort.slides.folder"]),
        (lambda f: None, ["no cohort.slides", "nothing to extract"]),
        (
            lambda f: blank(f.with_slides()) or f.column("mpp", "forty", "slides.csv"),
            ["the mpp of 52 slides is no um per pixel of a microscope", "SIM-0001-A (forty)"],
        ),
        (
            lambda f: (
                blank(f.with_slides()) or f.set(features={"encoder": "resnet50_trunc", "weights": "w.safetensors"})
            ),
            ["w.safetensors do not exist", "features.weights"],
        ),
    ],
    ids=["empty", "missing", "none", "mpp", "weights"],
)
def test_an_extraction_that_cannot_begin_is_refused_in_a_sentence(spoil, words, folder, told):
    spoil(folder)
    refuses(told, folder.at, EXTRACT, *words)


COXPH = "{name: coxph, penalizers: [0.1]}"
QUICK = ("--set", "splits.folds=2", "--set", "evaluation.draws=10")


@contextmanager
def full_disk(bytes_left: int):
    """No file may grow beyond this: a limit of the system, which stops every write as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (("run", "study.yaml", "--set", "methods=[abmil]"), ".shard"),
        (("run", "study.yaml", "--set", "methods=[snn]"), "snn/fold_0/state.safetensors"),
        (("run", "study.yaml", "--set", f"methods=[{COXPH}]", "--set", "cohort.omics="), "report.html"),
        (("simulate", "new", "--features-only", "--patients", "20"), "SIM-0001-A.h5"),
        (("init", "new"), "study.schema.json"),
    ],
    ids=["packing", "weights", "report", "simulate", "init"],
)
def test_a_full_disk_is_told_and_leaves_nothing_half_written(arguments, file, folder, told, monkeypatch):
    large = (
        '<svg width="1pt" height="1pt">' + 20_000 * " " + "</svg>"
    )  # there is room for each, but not for all of them
    monkeypatch.setattr("prognoscope.report.page_section.render", lambda *_: large)
    before = contents(folder.at)
    room = {"init": 200, "simulate": 60_000}.get(arguments[0], 30_000)
    quick = QUICK if arguments[0] == "run" else ()
    with full_disk(room), whole_pages() if file == "report.html" else nullcontext():
        code, said = told(*arguments, *quick)
    assert code == 1
    assert f"{file} was not written" in said and "`ulimit -f`" in said and "nothing half written is left" in said
    after = contents(folder.at)
    assert {name: after[name] for name in before} == before
    assert not [name for name in after if name.endswith((".part", file)) and name not in before]
    if arguments[0] == "run":  # with room, the same command goes on
        assert told(*arguments, *quick, "--set", "training.epochs=1", "--out", "again")[0] == 0


def test_a_wrong_method_costs_no_extraction(folder, told):
    blank(folder.with_slides())
    folder.set(methods=["abmil", "mcti"], cohort__omics=...)
    refuses(told, folder.at, RUN, "mcti needs genes")


def test_python_raises_what_the_command_line_says(folder):
    folder.set(methods=["abmill"])
    with pytest.raises(ValueError, match="did you mean 'abmil'"):
        Study.load("study.yaml")
    folder.set(methods=["abmil"])
    folder.remove("clinical.csv")
    with pytest.raises(FileNotFoundError, match="clinical.csv does not exist"):
        Study.load("study.yaml").check()
