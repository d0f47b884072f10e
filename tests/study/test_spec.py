"""The study file: every key is read as it is written, and every mistake in one is met with the nearest."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from prognoscope.cohort.clinical_spec import FollowUpSpec
from prognoscope.core.errors import MissingFileError, StudyError
from prognoscope.core.settings import hints_of
from prognoscope.core.yaml_text import parse_yaml
from prognoscope.features.encoders import ENCODERS
from prognoscope.models.recipe import Recipe
from prognoscope.models.registry import MODELS
from prognoscope.study.folder_name import DEVICES
from prognoscope.study.sections import MethodTraining, changes
from prognoscope.study.spec import MethodSection, StudySpec, is_made_by, parse_study, plain, read_study
from prognoscope.study.study import Study
from prognoscope.study.study_file import StudyFile
from prognoscope.study.wording import inner_kinds, keys_of

LEAST = {"name": "study", "cohort": {"clinical": {"table": "clinical.csv"}}, "methods": ["abmil"]}

text = st.text("abcXYZ019_-. äß", min_size=1, max_size=12).filter(lambda word: word.strip() == word)
texts = st.lists(text, min_size=1, max_size=3)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,9}[A-Za-z0-9]", fullmatch=True).filter(
    lambda name: name.split(".")[0].lower() not in DEVICES
)
share, positive = st.floats(0, 1), st.floats(1e-6, 10)
whole = st.integers(1, 1000)
mpp = st.floats(0.05, 10)
VALUES = {  # every key of the file but cohort.slides, which excludes cohort.features, and methods
    "name": names,
    "protocol": st.sampled_from(["honest", "paper"]),
    "cohort.clinical.table": texts,
    "cohort.clinical.patient": text,
    "cohort.clinical.time": text,
    "cohort.clinical.time_unit": st.sampled_from(["months", "days", "years"]),
    "cohort.clinical.event": text,
    "cohort.clinical.event_values": texts,
    "cohort.clinical.censored_values": texts,
    "cohort.clinical.competing_values": texts,
    "cohort.clinical.covariates": st.lists(text.map("covariate {}".format), min_size=1, max_size=3),
    "cohort.clinical.not_outcomes": texts,
    "cohort.clinical.site": text,
    "cohort.clinical.slide": text,
    "cohort.clinical.bad_time": st.sampled_from(["refuse", "drop"]),
    "cohort.features.folder": text,
    "cohort.features.layout": st.sampled_from(["auto", "prognoscope", "trident", "clam", "stamp"]),
    "cohort.features.table": text,
    "cohort.features.patient": text,
    "cohort.features.mpp": mpp,
    "cohort.features.most_bad": st.floats(0, 1),
    "cohort.features.slide": text,
    "cohort.features.sample_types": texts,
    "cohort.omics.table": texts,
    "cohort.omics.layout": st.sampled_from(["auto", "mcat", "wide", "anndata"]),
    "cohort.omics.patient": text,
    "cohort.omics.groups": text,
    "cohort.omics.kinds": texts,
    "cohort.omics.unsuffixed": st.sampled_from(["refuse", "mutation", "ignore"]),
    "cohort.omics.clip": positive,
    "cohort.omics.min_coverage": share,
    "cohort.omics.scale": st.sampled_from(["zscore", "none"]),
    "cohort.subtype.table": text,
    "cohort.subtype.patient": text,
    "cohort.subtype.column": text,
    "cohort.truth": text,
    "features.encoder": st.sampled_from(sorted(ENCODERS)),
    "features.patch_px": st.integers(200, 4096),
    "features.mpp": mpp,
    "features.overlap_px": st.integers(0, 100),
    "features.min_tissue": share,
    "features.weights": text,
    "features.regions": text,
    "features.stain_norm": st.sampled_from(["macenko", "reinhard"]),
    "features.save_patches": st.integers(0, 99),
    "features.tissue.preset": st.sampled_from(["prognoscope", "clam", "saturation15"]),
    "features.tissue.um_per_px": positive,
    "features.tissue.smooth_by": st.sampled_from(["gaussian", "median"]),
    "features.tissue.saturation": share,
    "features.tissue.otsu_between": st.tuples(st.floats(0, 0.5), st.floats(0.5, 1)).map(list),
    "features.tissue.close_um": positive,
    "features.tissue.smooth_um": positive,
    "features.tissue.min_area_mm2": share,
    "features.tissue.max_hole_mm2": share,
    "features.tissue.remove_pen": st.booleans(),
    "splits.folds": st.integers(2, 50),
    "splits.stratify": st.lists(st.sampled_from(["event", "time", "subtype", "site"]), max_size=2),
    "splits.group": st.just("site"),
    "splits.seed": st.integers(0, 10**6),
    "splits.files": texts,
    "splits.absent": st.sampled_from(["refuse", "pass"]),
    "splits.table": text,
    "splits.validation": st.floats(0.01, 0.49),
    "training.epochs": whole,
    "training.patients_per_step": whole,
    "training.learning_rate": positive,
    "training.weight_decay": st.floats(0, 1),
    "training.momentum": st.floats(0, 0.99),
    "training.betas": st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)).map(list),
    "training.optimizer": st.sampled_from(["adam", "adamw", "radam", "sgd"]),
    "training.schedule": st.sampled_from(["constant", "cosine", "step", "linear"]),
    "training.step_epochs": whole,
    "training.warm_up_epochs": whole,
    "training.clip_norm": st.dictionaries(names, positive, min_size=1, max_size=2),
    "training.l1": st.floats(0, 1),
    "training.patch_draw": st.one_of(whole, st.just("all"), st.just([0.25, 1.0])),
    "training.sampler": st.sampled_from(["balanced", "shuffled"]),
    "training.nll_alpha": share,
    "training.n_bins": st.integers(2, 50),
    "training.bins_from": st.sampled_from(["train", "cohort"]),
    "training.choose": st.sampled_from(["validation_loss", "last"]),
    "training.patience": whole,
    "training.precision": st.sampled_from(["auto", "float32", "bf16"]),
    "training.device": st.sampled_from(["auto", "cpu", "cuda", "cuda:1"]),
    "training.threads": whole,
    "training.patches_per_pass": whole,
    "training.save_every_s": st.floats(0, 100),
    "training.seed": st.integers(0, 10**6),
    "seeds": st.integers(1, 9),
    "keep_models": st.booleans(),
    "training.search.trials": st.integers(0, 1000),
    "training.search.folds": st.integers(1, 20),
    "evaluation.draws": st.integers(10, 10_000),
    "evaluation.cut_from": st.sampled_from(["train", "pooled"]),
    "evaluation.split": st.sampled_from(["risk", "survival"]),
    "evaluation.surgery": st.booleans(),
}
NOT_WITH = {"cohort.clinical.categories"}  # which are covariates, too
NOT_WITH |= {"cohort.clinical.endpoint", *(f"cohort.clinical.endpoints.{key}" for key in hints_of(FollowUpSpec))}
NOT_WITH |= {"cohort.clinical.censored", "cohort.slides.folder", "cohort.slides.table", "cohort.slides.mpp"}
NOT_WITH |= {"cohort.slides.sample_types", "cohort.slides.most_bad", "methods.name", "methods.label"}
NOT_WITH |= {"cohort.slides.slide", "cohort.slides.patient", "methods.training"}
NOT_WITH |= {"features.coords", "features.outside", "features.precision"}  # which other keys forbid, or need
NOT_WITH |= {f"training.search.space.{key}" for key in ("low", "high", "log", "whole")}
NOT_WITH |= {"protocol.like", "methods.ablations", "methods.ablation_of", "methods.row", "methods.of"}
NOT_WITH |= {"methods.vary", "methods.sweep_of", *(f"methods.sweeps.{key}" for key in ("label", "values", "rows"))}
SETTLED = {"training.choose", "training.bins_from"}  # by a paper's protocol, which refuses them
TOGETHER = {  # keys that a section must have besides
    "cohort.features": {"folder": "features"},
    "cohort.omics": {"table": "genes.csv", "groups": "groups.csv"},
    "cohort.subtype": {"table": "s.csv", "column": "c"},
    "training.search": {"space": {"epochs": [1, 2]}},
}
SECTIONS = ["", "cohort", "cohort.clinical", "cohort.features", "cohort.omics", "cohort.subtype"]
SECTIONS += ["protocol", "cohort.slides", "features", "features.tissue", "splits", "training", "training.search"]
SECTIONS += ["evaluation"]


def keys(section: type, above: str = "") -> Iterator[str]:
    for name, hint in keys_of(section).items():
        inner = next(iter(inner_kinds(hint)), None)
        if inner is None or inner is MethodTraining:
            yield above + name
        else:
            yield from keys(inner, f"{above}{name}.")


def place(values: dict, path: str, value: object) -> dict:
    """Put a value into nested ones, with what its section must have besides."""
    *sections, last = path.split(".")
    for i, section in enumerate(sections):
        values = values.setdefault(section, dict(TOGETHER.get(".".join(sections[: i + 1]), {})))
    values[last] = value
    return values


def fresh() -> dict:
    return yaml.safe_load(yaml.safe_dump(LEAST))


def look_up(study: StudySpec, path: str) -> object:
    found = study
    for part in path.split("."):
        found = getattr(found, part)
    return list(found) if isinstance(found, tuple) else found


@st.composite
def settings(draw) -> dict[str, object]:
    chosen = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=12, unique=True))
    excluded = {"splits.table"} if "splits.files" in chosen else set()
    if (values := {path: draw(VALUES[path]) for path in chosen if path not in excluded}).get("protocol") == "paper":
        values = {path: value for path, value in values.items() if path not in SETTLED}
    return values


def test_these_tests_know_every_key():
    assert set(keys(StudySpec)) == (set(VALUES) - {"protocol"}) | NOT_WITH


@given(settings())
def test_every_key_is_read_as_it_is_written(chosen):
    values = fresh()
    for path, value in chosen.items():
        place(values, path, value)
    study = parse_study(parse_yaml(yaml.safe_dump(values, allow_unicode=True)))
    for path, value in chosen.items():
        assert look_up(study, path) == value
    assert parse_study(parse_yaml(yaml.safe_dump(plain(study)))) == study


@given(settings())
def test_set_equals_writing_it_into_the_file(tmp_path_factory, chosen):
    folder = tmp_path_factory.mktemp("set")
    written, base = fresh(), fresh()
    for path, value in chosen.items():
        place(written, path, value)
        above = path.rpartition(".")[0]
        if above in TOGETHER:
            place(base, f"{above}.x", 0).pop("x")
    (folder / "written.yaml").write_text(yaml.safe_dump(written, allow_unicode=True), encoding="utf-8")
    (folder / "base.yaml").write_text(yaml.safe_dump(base), encoding="utf-8")
    flow = {
        p: yaml.safe_dump(v, default_flow_style=True, allow_unicode=True).removesuffix("...\n")
        for p, v in chosen.items()
    }
    overrides = [f"{path}={value.strip()}" for path, value in flow.items()]
    assert read_study(folder / "base.yaml", overrides) == read_study(folder / "written.yaml")


@given(st.data())
@pytest.mark.parametrize("section", SECTIONS)
def test_a_key_with_a_letter_too_few_is_met_with_the_one_that_was_meant(section, data):
    known = sorted(path.rpartition(".")[2] for path in keys(StudySpec) if path.rpartition(".")[0] == section)
    known += [each.split(".")[-1] for each in SECTIONS if section and each.rpartition(".")[0] == section]
    everywhere = {part for path in keys(StudySpec) for part in path.split(".")}
    key = data.draw(st.sampled_from([name for name in known if len(name) > 4] or known))
    at = data.draw(st.integers(1, len(key) - 1))
    typo = key[:at] + key[at + 1 :]
    assume(typo not in everywhere)
    values = fresh()
    place(values, f"{section}.{typo}".lstrip("."), "x")
    with pytest.raises(StudyError) as raised:
        parse_study(values)
    found = re.search(
        rf"there is no key '{re.escape(f'{section}.{typo}'.lstrip('.'))}'; did you mean '(\w+)'", str(raised.value)
    )
    assert found and found[1] in known


@pytest.mark.parametrize(
    ("path", "home"),
    [("epochs", "training"), ("splits.encoder", "features"), ("training.folds", "splits"), ("clinical", "cohort")],
)
def test_a_key_in_the_wrong_section_is_told_its_home(path, home):
    values = fresh()
    place(values, path, 1)
    with pytest.raises(StudyError, match=f"no key '{path}'; it belongs to {home}"):
        parse_study(values)


@pytest.mark.parametrize("path", [path for path in VALUES if path not in ("name", "cohort.clinical.table")])
def test_a_key_without_a_value_is_as_good_as_absent(path):
    values, without = fresh(), fresh()
    place(values, path, None)
    above, _, last = path.rpartition(".")
    if above in TOGETHER:
        place(without, path, None).pop(last)
    if path in ("cohort.omics.table", "cohort.subtype.table", "cohort.subtype.column", "cohort.features.folder"):
        with pytest.raises(StudyError, match="is missing; add it|give the folder"):
            parse_study(values)
        return
    assert parse_study(values) == parse_study(without)


@pytest.mark.parametrize("section", ["features", "splits", "training", "evaluation", "cohort.omics", "cohort.slides"])
def test_a_heading_with_nothing_below_it_is_as_good_as_absent(section):
    values = fresh()
    place(values, section, None)
    assert parse_study(values) == parse_study(fresh())


def test_one_value_is_a_list_of_one():
    study = parse_study(fresh() | {"methods": "abmil"})
    assert study == parse_study(fresh()) == parse_study(fresh() | {"methods": {"name": "abmil"}})
    assert study.cohort.clinical.table == ("clinical.csv",)


@pytest.mark.parametrize("name", MODELS)
def test_a_method_keeps_its_options_its_label_and_its_recipe(name):
    listed = [name, {"name": name, "label": "other", "width": 3, "training": {"epochs": 7, "learning_rate": 0.1}}]
    study = parse_study(fresh() | {"methods": listed})
    bare, other = study.methods
    assert (bare.title, bare.options, changes(bare.training)) == (name, {}, {})
    assert (other.title, other.options) == ("other", {"width": 3})
    assert changes(other.training) == {"epochs": 7, "learning_rate": 0.1}
    with pytest.raises(StudyError, match=f"'{name}' is listed twice"):
        parse_study(fresh() | {"methods": [name, name]})


@given(st.sampled_from(sorted(MODELS)), st.integers(0, 20))
def test_the_nearest_method_is_named(name, at):
    typo = name[: at % len(name)] + "x" + name[at % len(name) :]
    with pytest.raises(StudyError, match=rf"there is no method '{typo}'; did you mean '\w+'\?"):
        parse_study(fresh() | {"methods": [typo]})


def test_a_recipe_in_the_study_is_a_recipe_of_a_model():
    published = {"published_epoch", "published_stop"}
    assert set(keys_of(MethodTraining)) - {"search"} == set(Recipe.__dataclass_fields__) - published
    assert set(MethodSection.model_fields) == {
        *("name", "label", "training", "ablations", "ablation_of", "row", "of"),
        *("vary", "sweeps", "sweep_of"),
    }


def test_a_recipe_can_be_told_to_draw_no_patches_and_one_norm_is_of_the_whole_gradient():
    study = parse_study(fresh() | {"training": {"patch_draw": "all", "clip_norm": 5, "betas": [0.5, 0.9]}})
    assert changes(study.training) == {"patch_draw": None, "clip_norm": {"": 5.0}, "betas": (0.5, 0.9)}
    for draw, understood in ((4096, 4096), ([0.8, 1], (0.8, 1.0))):
        study = parse_study(fresh() | {"training": {"patch_draw": draw}})
        assert changes(study.training) == {"patch_draw": understood}
    for draw in (0, True, 2.5, [0, 0], [1, 0.5], "some", {"a": 1}):
        with pytest.raises(StudyError, match="training.patch_draw: must be a number of patches"):
            parse_study(fresh() | {"training": {"patch_draw": draw}})


WRONG = {
    "training.epochs": ("many", "must be a whole number, not 'many'"),
    "training.learning_rate": (float("inf"), "must be a finite number, not inf"),
    "training.weight_decay": (-1, "must be at least 0, not -1"),
    "training.betas": ([0.9, 1], "entry 2 must be less than 1, not 1"),
    "training.clip_norm": ({"head": 0}, "training.clip_norm.head must be more than 0, not 0"),
    "training.patch_draw": ([0.8, 1.5], r"must be a number of patches, two shares such as \[0.8, 1.0\], or all, not"),
    "training.n_bins": (2.5, "must be a whole number, not 2.5"),
    "splits.validation": (0.5, "must be less than 0.5, not 0.5"),
    "splits.folds": (51, "must be at most 50, not 51"),
    "cohort.features.mpp": (0, "must be at least 0.05, not 0"),
    "cohort.clinical.covariates": ([True], "entry 1 must be text, not True; put it in quotes"),
    "cohort.clinical.patient": (["a"], "must be text, not a list"),
    "cohort.clinical.table": ({"a": 1}, r"must be one value or a list in \[brackets\], not keys and values"),
    "cohort.omics": (["genes.csv"], "must be a section of keys and values, not a list"),
    "cohort.omics.scale": ("z", "must be zscore or none, not 'z'"),
    "protocol": ("papers", "must be honest or paper, not 'papers'; did you mean 'paper'?"),
    "protocol.like": ("ghannet", "must be ghanet, cmta, ccl or mcti, not 'ghannet'; did you mean 'ghanet'?"),
    "splits.stratify": (["evnt"], "entry 1 must be event, time, subtype or site, not 'evnt'; did you mean 'event'?"),
    "features.patch_px": (8, "features: patch_px must be at least 16 for an encoder, not 8"),
    "features.overlap_px": (300, "overlap_px is 300, but must be less than patch_px, 256"),
    "training.seed": (-1, "must be at least 0, not -1"),
    "splits.seed": (-1, "must be at least 0, not -1"),
    "evaluation.draws": (10**9, "must be at most 100000, not 1000000000"),
    "name": ("a/b", "must be of letters, digits, dots, dashes and underscores, not 'a/b'"),
}


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_value_is_told_with_what_it_must_be(path, tmp_path):
    value, words = WRONG[path]
    values = fresh()
    place(values, path, value)
    with pytest.raises(StudyError, match=words) as raised:
        parse_study(values, "study.yaml")
    assert str(raised.value).startswith("In study.yaml: ") and path.split(".")[0] in str(raised.value)


def test_of_many_faults_three_are_told_and_the_others_counted():
    values = fresh() | {"training": dict.fromkeys(["epoch", "seeds", "devic", "patienc", "thread"], 1)}
    with pytest.raises(StudyError) as raised:
        parse_study(values)
    assert str(raised.value).count("there is no key") == 3 and str(raised.value).endswith("; and 2 more.")


def test_numbers_that_yaml_takes_for_words_are_numbers():
    assert parse_yaml("[1e-4, 2E3, 1.5e-2, -1e1]") == [1e-4, 2000.0, 0.015, -10.0]
    assert parse_yaml("[e1, 1e, v1e-4, '1e-4', 3]") == ["e1", "1e", "v1e-4", "1e-4", 3]
    assert parse_yaml("[2024-13-45, 2024-01-31]") == ["2024-13-45", "2024-01-31"]


FILES = {
    "name: [a\ncohort: {": "line 2, is not YAML: expected ',' or ']'",
    "name: a\n\tcohort: b": "line 2, is not YAML: a tab stands where",
    "name: a: b": "line 1, is not YAML: a colon where none may be",
    "name: a\ncohort:\n  x: 1\n  x: 2": "line 4, is not YAML: the key 'x' is there already in line 3",
    "": "is empty, so it is no study. Begin with `prognoscope init`.",
    "- a": "holds a list instead of keys and values",
    "just words": "holds text instead of keys and values",
    "name: \x00": "holds an unprintable character",
}


@pytest.mark.parametrize("content", FILES)
def test_a_file_that_holds_no_study_is_told_with_its_line(content, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(content)
    with pytest.raises(StudyError, match=re.escape(FILES[content])) as raised:
        read_study(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_not_a_study(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere.yaml does not exist. Correct the path, or begin with"):
        read_study(tmp_path / "nowhere.yaml")


@given(st.binary(max_size=60))
def test_no_bytes_are_too_strange_to_be_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "strange.yaml"
    path.write_bytes(content)
    with pytest.raises(StudyError):
        read_study(path)


def test_paths_are_relative_to_the_file_wherever_one_stands(simulated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = Study.load(simulated / "study.yaml").cohort
    monkeypatch.chdir(simulated.parent)
    there = Study.load(Path(simulated.name) / "study.yaml")
    monkeypatch.chdir(tmp_path)  # a study that was loaded does not move with whoever uses it
    assert there.cohort.patients == here.patients
    assert there.folder == simulated and there.cache.parent == simulated


def test_a_path_that_begins_at_the_root_stays_as_it_is(simulated, tmp_path):
    clinical = simulated / "clinical.csv"
    study = Study.load(simulated / "study.yaml", [f"cohort.clinical.table={clinical}"])
    assert study.cohort.patients == Study.load(simulated / "study.yaml").cohort.patients
    written = fresh() | {"splits": {"files": "a/{fold}.csv"}, "features": {"weights": "w"}}
    study = StudyFile.of(written, tmp_path)
    assert study.splits.files == (str(tmp_path / "a/{fold}.csv"),) and study.spec.splits.files == ("a/{fold}.csv",)
    assert study.features.weights == str(tmp_path / "w")
    assert study.where.clinical.table == (str(tmp_path / "clinical.csv"),)
    other = StudyFile.of(fresh() | {"splits": {"table": "/b.csv"}, "features": {"weights": "hub"}}, tmp_path)
    assert (other.splits.table, other.features.weights) == ("/b.csv", "hub")


def test_gene_groups_can_only_be_left_out_where_there_are_some():
    values = fresh()
    place(values, "cohort.omics.min_coverage", 0.9).pop("groups")
    with pytest.raises(StudyError, match="cohort.omics: min_coverage leaves out gene groups, so give their file"):
        parse_study(values)
    values["cohort"]["omics"]["min_coverage"] = 0
    assert parse_study(values).cohort.omics.groups is None


def test_embeddings_of_a_card_from_before_a_setting_came_in_are_those_of_its_default():
    told = {"encoder": "stain", "patch_px": 256, "mpp": 0.5, "overlap_px": 0, "min_tissue": 0.5, "weights": None}
    spec = parse_study(fresh())
    assert is_made_by(told, spec.features) and is_made_by(plain(spec.features), spec.features)
    assert not is_made_by(told, parse_study(fresh() | {"features": {"tissue": {"remove_pen": False}}}).features)
    with pytest.raises(StudyError, match="In the model card: patch_px must be a whole number, not 'wide'"):
        is_made_by(told | {"patch_px": "wide"}, spec.features)


def numbers_of(section, above: str = "") -> Iterator[str]:
    """The keys of all settings that are a number."""
    for name, hint in keys_of(section).items():
        if inner := inner_kinds(hint):
            yield from numbers_of(inner[0], f"{above}{name}.") if name != "methods" else ()
        elif re.search(r"\b(int|float)\b", str(hint)) and not re.search(r"\b(bool|dict|tuple|Any)\b", str(hint)):
            yield f"{above}{name}"


NUMBERS = [key for key in numbers_of(StudySpec) if not key.startswith("training.search.space")]


@pytest.mark.parametrize("path", NUMBERS)
@pytest.mark.parametrize("value", [True, False, float("nan"), float("inf"), "many", [1], {"a": 1}], ids=str)
def test_no_setting_that_is_a_number_takes_what_is_none(path, value):
    values = fresh()
    place(values, path, value)
    with pytest.raises(StudyError, match=re.escape(path.rpartition(".")[2])):
        parse_study(values)


def test_the_numbers_of_a_study_are_found():
    assert len(NUMBERS) > 30 and {"training.epochs", "splits.seed", "features.mpp", "evaluation.draws"} <= set(NUMBERS)


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"betas": [True, 0.9]}, "training.betas entry 1 must be a number, not True"),
        ({"clip_norm": True}, "training.clip_norm must be a number, not True"),
        ({"clip_norm": {"head": True}}, "training.clip_norm.head must be a number, not True"),
        ({"patch_draw": [0.5, True]}, "training.patch_draw: must be a number of patches"),
        ({"search": {"space": {"epochs": {"low": True, "high": 9}}}}, "search.space.epochs.low must be a number"),
    ],
)
def test_true_is_no_number_inside_a_list_or_a_section_either(training, words):
    with pytest.raises(StudyError, match=words):
        parse_study(fresh() | {"training": training})
    entry = {"name": "abmil", "training": {"epochs": True}}
    with pytest.raises(StudyError, match="methods entry 1.training.epochs must be a whole number, not True"):
        parse_study(fresh() | {"methods": [entry]})


@pytest.mark.parametrize("label", ["metrics.csv", "study.yaml", "figures", "Report.HTML", "oracle", "splits.csv"])
def test_a_label_may_not_be_the_name_of_something_in_a_run(label):
    with pytest.raises(StudyError, match=f"the label {label!r} is the name of something else in a run"):
        parse_study(fresh() | {"methods": [{"name": "abmil", "label": label}]})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CON", "name of a device on Windows"),
        ("lpt1.old", "name of a device on Windows"),
        ("abmil.", "ends in a dot"),
        ("a" * 101, "has 101 letters; 100 are the most"),
        ("a:b", "must be of letters, digits"),
        ("a b", "must be of letters, digits"),
        ("../a", "must be of letters, digits"),
    ],
)
def test_a_label_and_a_study_are_named_as_any_system_can_name_a_folder(name, words):
    with pytest.raises(StudyError, match=words):
        parse_study(fresh() | {"methods": [{"name": "abmil", "label": name}]})
    with pytest.raises(StudyError, match=words):
        parse_study(fresh() | {"name": name})


def test_labels_that_differ_in_case_only_are_refused():
    with pytest.raises(StudyError, match="the labels 'abmil' and 'ABMIL' differ in case only"):
        parse_study(fresh() | {"methods": ["abmil", {"name": "abmil", "label": "ABMIL"}]})


def test_what_chooses_patches_is_part_of_what_embeddings_are_named_after_and_pictures_are_not(tmp_path):
    def study(**features):
        return StudyFile.of(fresh() | {"features": features}, tmp_path)

    slides = fresh()
    slides["cohort"]["slides"] = {"folder": "slides"}
    slides["cohort"].pop("features", None)

    def place(**features):
        return StudyFile.of(slides | {"features": features}, tmp_path).extracted

    assert place() == place(save_patches=9)
    told = [
        place(),
        place(coords="c"),
        place(regions="r"),
        place(regions="r", outside=True),
        place(stain_norm="macenko"),
        place(encoder="uni_v1"),
        place(encoder="uni_v1", precision="bf16"),
    ]
    assert len(set(told)) == len(told)
    assert study(coords="c").features.picks.coords == tmp_path / "c"


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ({"coords": "c", "patch_px": 224, "mpp": 0.25}, "how large; leave patch_px and mpp out, or coords"),
        ({"outside": True}, "name the folder of regions, too"),
        ({"stain_norm": "macenk"}, "stain_norm"),
        ({"precision": "bf16"}, "networks that timm builds, and stain is none; leave it out"),
    ],
)
def test_choices_of_patches_that_contradict_each_other_are_refused(features, said):
    with pytest.raises(StudyError, match=said):
        parse_study(fresh() | {"features": features})
