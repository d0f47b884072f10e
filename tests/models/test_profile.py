"""What a method is told to be before it is made is what it is."""

import subprocess
import sys

import pytest

from prognoscope.core.errors import ModelError
from prognoscope.core.genes import GeneSelection
from prognoscope.models.creation import create_model
from prognoscope.models.profile import Profile
from prognoscope.models.registry import card_of, list_models, model_class, profile_of, variants_of
from prognoscope.models.sizes import EXAMPLE, Sizes
from tests.test_every_model import SIZES, SMALL

OPTIONS = [
    *[("coxph", {"covariates": each}) for each in ("clinical", "omics", "both")],
    ("deepattnmisl", {"variant": "original"}),
    *[("ghanet", {"preset": f"model{i}"}) for i in range(1, 8)],
    ("ghanet", {"variant": "released", "differential": "welch", "adjust": "bh", "min_genes": 5, "round_counts": True}),
    *[("kd", {"student": each, "student_options": {}}) for each in ("dsmil", "surformer", "dtfd_mil", "abmil")],
    ("kd", {"student": "deepattnmisl", "student_options": {"variant": "released", "num_clusters": 2}}),
    ("kd", {"loss": "representation", "teacher": "motcat", "teacher_options": {"d": 16, "heads": 2}}),
    *[("mcti", {"aux_task": each}) for each in ("survival", "none")],
    *[("mcti", {"dsmil_lr_mult": each}) for each in (1, 3.5)],
    ("survpath", {"variant": "released"}),
]


def cases():
    for name in list_models():
        yield name, SMALL.get(name, {})
        for ablation in card_of(name).ablations:
            if ablation.method is None:
                yield name, SMALL.get(name, {}) | ablation.options
    for name, options in OPTIONS:
        yield name, SMALL.get(name, {}) | options
    for aux_task in ("subtype", "survival"):
        yield "mcti", {"variant": "released", "k": 3, "gene_heads": 2, "aux_task": aux_task}
    yield "mcti", {"preset": "paper", "k": 2, "layers": 1, "gene_groups": 2}


@pytest.mark.parametrize(("name", "options"), list(cases()), ids=str)
def test_an_instance_is_trained_by_the_profile_that_was_told_before_it_was_made(name, options):
    assert create_model(name, sizes=SIZES, **options).profile == profile_of(name, options, SIZES)


@pytest.mark.parametrize("name", list_models())
def test_card_of_and_the_class_speak_of_one_card(name):
    kinds = [model_class(name, {"variant": each}) for each in variants_of(name)] or [model_class(name)]
    assert all(kind.card is card_of(name) for kind in kinds)


def test_a_student_is_trained_by_its_own_recipe():
    profile, own = profile_of("kd", {"student": "dsmil"}), profile_of("dsmil").recipe
    assert (profile.recipe, own.epochs, own.published_epoch) == (own, 50, "best_on_test")
    clipped = profile_of("kd", {"student": "dtfd_mil"}).recipe.clip_norm
    assert clipped == {f"student.{part}": 5.0 for part in ("reduce", "attend", "tier1_head", "tier2")}
    assert profile_of("kd", {"teacher": "mcti", "teacher_options": {"aux_task": "none"}}).teacher[0] == "mcti"
    with pytest.raises(ModelError, match="kd cannot have mcti as teacher"):
        profile_of("kd", {"teacher": "mcti"})
    with pytest.raises(ModelError, match="kd cannot have coxph as student"):
        profile_of("kd", {"student": "coxph"})


def test_the_yardstick_takes_what_there_is_and_says_so_before_it_is_known():
    unknown = profile_of("coxph")
    assert (unknown.needs, unknown.uses, unknown.recipe) == (set(), {"clinical", "omics"}, None)
    assert profile_of("coxph", sizes=Sizes(n_clinical=2)).uses == {"clinical"}
    assert profile_of("coxph", sizes=Sizes(group_sizes=(3, 4))).needs == {"omics"}
    assert profile_of("coxph", {"covariates": "both"}).needs == {"clinical", "omics"}


def test_variant_and_options_change_what_a_profile_says():
    assert profile_of("deepattnmisl", {"variant": "original"}).recipe.published_epoch == "best_on_validation"
    assert profile_of("mcti", {"variant": "released"}).learning_rate_factors == {}
    assert profile_of("ghanet", {"preset": "model6"}).gene_selection == GeneSelection("none")
    assert Profile().uses == frozenset()
    for options, message in (
        ({"preset": "papre"}, "mcti has no preset 'papre'; did you mean 'paper'"),
        ({"variant": "papre"}, "mcti has no variant 'papre'; did you mean 'paper'"),
        ({"dsmil_lr_mult": "ten"}, "mcti cannot work with dsmil_lr_mult='ten'. Give a number."),
    ):
        with pytest.raises(ModelError, match=message):
            profile_of("mcti", options)


@pytest.mark.processes
def test_telling_of_methods_imports_no_torch():
    code = (
        "import sys\n"
        "from prognoscope.models.registry import card_of, list_models, profile_of\n"
        "assert all(card_of(name).paper and profile_of(name) for name in list_models())\n"
        "print([each for each in ('torch', 'pandas', 'scipy', 'lifelines', 'numpy') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("name", [name for name in list_models() if card_of(name).parameters is not None])
def test_a_card_tells_how_many_numbers_are_learned(name):
    model = create_model(name, sizes=EXAMPLE)
    assert card_of(name).parameters == sum(value.numel() for value in model.parameters())


@pytest.mark.processes
def test_the_table_of_methods_needs_no_torch():
    code = "import sys; from prognoscope.study.methods_table import methods_table; methods_table()"
    code += "; print([name for name in ('torch', 'lifelines', 'matplotlib') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
