"""The schema for editors takes what the package takes, and marks what it refuses."""

import json
import re
from pathlib import Path

import pytest
import yaml

from prognoscope.study.schema import study_schema, write_schema
from prognoscope.study.start.template import TEMPLATE, write_start

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
KINDS = {"string": str, "integer": int, "number": (int, float), "object": dict, "array": list, "boolean": bool}
KINDS["null"] = type(None)


def faults(value, schema, root, place="") -> list[str]:
    """What a value breaks of a schema: a plain reading of as much of JSON Schema as is used."""
    if "$ref" in schema:
        return faults(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, place)
    found = []
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            tried = [faults(value, each, root, place) for each in schema[choice]]
            found += [] if any(not each for each in tried) else [fault for each in tried for fault in each]
    if "type" in schema:
        is_kind = isinstance(value, KINDS[schema["type"]])
        if not is_kind or (isinstance(value, bool) and schema["type"] in ("integer", "number")):
            return [*found, f"{place}: not {schema['type']}"]
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        found.append(f"{place}: none of the choices")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{place}: not the pattern")
    if isinstance(value, int | float):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        above, below = schema.get("exclusiveMinimum", value - 1), schema.get("exclusiveMaximum", value + 1)
        found += [] if low <= value <= high and above < value < below else [f"{place}: out of bounds"]
    if isinstance(value, list):
        found += [] if schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 99) else [f"{place}: length"]
        found += [each for item in value for each in faults(item, schema.get("items", {}), root, f"{place}[]")]
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        found += [f"{place}.{key}: missing" for key in schema.get("required", ()) if key not in value]
        for key, item in value.items():
            inner = known.get(key, others)
            if inner is False:
                found.append(f"{place}.{key}: unknown")
            elif isinstance(inner, dict):
                found += faults(item, inner, root, f"{place}.{key}")
    return found


def faults_of(study) -> list[str]:
    schema = study_schema()
    return faults(study, schema, schema)


@pytest.fixture
def demo(made_once) -> dict:
    return yaml.safe_load((made_once / "study.yaml").read_text())


def test_the_study_files_of_readme_template_and_demo_are_taken(demo):
    text, methods = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)[:2]
    readme = yaml.safe_load(text)
    assert faults_of(readme) == []
    assert faults_of(readme | yaml.safe_load(methods)) == []
    assert faults_of(yaml.safe_load(TEMPLATE)) == []
    assert faults_of(demo) == []


@pytest.mark.parametrize(
    ("section", "change", "fault"),
    [
        (None, {"trainings": {}}, ".trainings: unknown"),
        ("splits", {"foldz": 3}, ".splits.foldz: unknown"),
        ("splits", {"folds": 1}, ".splits.folds: out of bounds"),
        ("splits", {"validation": 0.5}, ".splits.validation: out of bounds"),
        ("training", {"optimizer": "adm"}, ".training.optimizer: none of the choices"),
        ("training", {"epochs": "many"}, ".training.epochs: not integer"),
        ("features", {"tissue": {"smooth": 1}}, ".features.tissue.smooth: unknown"),
        (None, {"methods": ["abmill"]}, ".methods[]: none of the choices"),
        (None, {"methods": [{"name": "abmil", "training": {"epoch": 1}}]}, ".methods[].training.epoch: unknown"),
    ],
)
def test_what_is_wrong_is_marked(demo, section, change, fault):
    study = demo | change if section is None else demo | {section: demo.get(section, {}) | change}
    assert any(fault in each for each in faults_of(study)), faults_of(study)


def test_what_may_be_left_out_may_be_empty_and_one_value_is_a_list(demo):
    assert faults_of(demo | {"training": None, "methods": "all:genes"}) == []
    search = {"trials": 3, "space": {"epochs": [1, 2], "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}}
    training = {"clip_norm": 5, "patch_draw": [0.8, 1.0], "search": search}
    methods = [{"name": "mcti", "k": 16, "label": "small", "ablations": "all"}, "snn"]
    assert faults_of(demo | {"training": training, "methods": methods}) == []


def test_a_key_is_told_with_the_comment_beside_it():
    sections = study_schema()["$defs"]
    assert sections["SplitSpec"]["properties"]["group"]["description"] == '"site": no hospital in two folds'
    assert sections["TrainingSettings"]["properties"]["l1"]["description"].startswith("times the sum of absolute")
    assert sections["SplitSpec"]["description"] == "How patients are divided."


def test_a_new_study_finds_its_schema(tmp_path):
    path = write_start(tmp_path)
    first = path.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=study.schema.json"
    written = json.loads((tmp_path / first.partition("=")[2]).read_text())
    assert written == study_schema() == json.loads(write_schema(tmp_path / "other").read_text())
