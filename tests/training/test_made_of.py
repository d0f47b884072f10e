"""What a fold says it is made of: each thing that its numbers hang on is a part, and nothing else is."""

from dataclasses import replace
from pathlib import Path

import pytest

from prognoscope.cohort.splits import Split
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.training.space import SearchSpec
from prognoscope.training.spec import TrainingSpec

CONTENT = Fingerprint(
    {
        "outcomes": {"a": "1"},
        "covariates": {"a": "2"},
        "genes": {"a": "3"},
        "gene groups": "sum 4",
        "subtypes": {"a": "x"},
        "embeddings": {"a": "5"},
        "encoder": "stain",
    }
)
CHANGES = {
    "method": {"name": "meanmil"},
    "options": {"options": {"hidden_dim": 4}},
    "recipe": {"recipe": {"l1": 0.5}},
    "search": {"search": SearchSpec(2, {"epochs": (1, 2)}, {}, 2)},
    "training settings": {"spec": TrainingSpec(patches_per_pass=9)},
    "seed": {"spec": TrainingSpec(seed=1)},
    "device": {"spec": TrainingSpec(device="cuda:1")},
    "precision": {"spec": TrainingSpec(precision="bf16")},
    "preparation": {"bins": {"n_bins": 4}},
    "folds": {"split": Split(0, ("a",), (), ("b",))},
}


def made_of(toy, name="abmil", **changes):
    return toy.job(Path(), changes.pop("name", name), **{"content": CONTENT} | changes).made_of


@pytest.mark.parametrize("part", CHANGES)
def test_whatever_the_numbers_hang_on_is_a_part_by_its_name(toy, part):
    changed = made_of(toy, **CHANGES[part]).differences(made_of(toy))
    assert [each for each in changed if each.startswith(f"the {part}")], changed
    if part != "method":
        assert len(changed) == 1


@pytest.mark.parametrize(
    ("name", "uses"),
    [
        ("abmil", {"embeddings", "encoder"}),
        ("snn", {"genes", "gene groups"}),
        ("coxph", {"covariates", "genes", "gene groups"}),
        ("mcti", {"embeddings", "encoder", "genes", "gene groups", "subtypes"}),
    ],
)
@pytest.mark.parametrize("part", CONTENT.parts)
def test_of_a_cohort_that_is_a_part_which_the_method_uses(toy, name, uses, part):
    other = {"b": "9"} if isinstance(CONTENT.parts[part], dict) else "sum 9"
    changed = made_of(toy, name, content=CONTENT.with_parts({part: other})).differences(made_of(toy, name))
    assert bool(changed) == (part in uses | {"outcomes"})


def test_what_numbers_do_not_hang_on_is_no_part(toy):
    job = toy.job(Path("a"), content=CONTENT)
    for other in (
        replace(job, files=replace(job.files, folder=Path("b"))),
        replace(job, pack=Path("elsewhere")),
        replace(job, spec=replace(job.spec, save_every_s=5.0)),
        replace(job, method=replace(job.method, title="another")),
    ):
        assert other.made_of == job.made_of
    gpu = replace(job, spec=TrainingSpec(device="cuda:0"))
    assert gpu.made_of == replace(job, spec=TrainingSpec(device="cuda:1")).made_of
    solved = toy.job(Path(), "coxph", content=CONTENT)
    assert solved.made_of == replace(solved, spec=TrainingSpec(device="cuda:0", precision="bf16")).made_of
