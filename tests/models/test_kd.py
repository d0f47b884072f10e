"""Distillation's laws: what is compared, with whom, and that the teacher stays outside of the student."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Categorical, kl_divergence
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.creation import create_model
from prognoscope.models.kd.network import map_loss, response_loss, unit_map

SIZES = {"embedding_dim": 10, "group_sizes": (4, 6), "n_bins": 4}
STUDENT = {"hidden_dim": 16, "attention_dim": 8, "k_sample": 3}
TEACHER = {"d": 16, "heads": 2, "feed_forward": 20}
LENGTHS = [3, 1, 7, 5]


def batch_of(lengths=LENGTHS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n = len(lengths)
    omics = tuple(torch.randn(n, size, generator=generator) for size in SIZES["group_sizes"])
    bins, event = torch.randint(0, 4, (n,), generator=generator), torch.rand(n, generator=generator) < 0.6
    bags = Bags(torch.randn(sum(lengths), 10, generator=generator), torch.tensor(lengths))
    return Inputs(bags, omics), Target(bins, event, torch.ones(n), patient=torch.arange(n))


def taught(inputs, outcome, *, student="clam_sb", **options):
    """A student that has asked a teacher about these patients, and what the teacher says of them."""
    with seeded(0):
        small = STUDENT if student.startswith("clam") else {}
        model = create_model(
            "kd", **SIZES, student=student, student_options=small, teacher_options=TEACHER, **options
        ).eval()
        teacher = create_model("mcat", **SIZES, **TEACHER).eval()
    each = inputs.split()
    model.learn_from(teacher)
    model.before_training(outcome, lambda rows: each[rows[0]])
    with torch.no_grad():
        return model, teacher(inputs)


def test_a_response_is_compared_by_the_divergence_that_its_name_says():
    generator = torch.Generator().manual_seed(0)
    ours, theirs = (3 * torch.randn(5, 4, generator=generator, dtype=torch.float64) for _ in range(2))

    def event_times(logits):
        hazard = logits.sigmoid()
        outlived = F.pad((1 - hazard).cumprod(1), (1, 0), value=1.0)
        return Categorical(torch.cat([hazard * outlived[:, :-1], outlived[:, -1:]], dim=1))

    for t in (1, 2.5):
        a, b = theirs / t, ours / t
        expected = {
            "hazard": kl_divergence(Bernoulli(logits=a), Bernoulli(logits=b)).mean(dim=1),
            "softmax": kl_divergence(Categorical(logits=a), Categorical(logits=b)),
            "event": kl_divergence(event_times(a), event_times(b)),
        }
        for target, divergence in expected.items():
            assert_close(response_loss(ours, theirs, target=target, temperature=t), t * t * divergence)


@pytest.mark.parametrize("target", ["hazard", "softmax", "event"])
def test_a_response_is_finite_where_probabilities_underflow(target):
    ours = torch.tensor([[90.0, -90, 200, -200]], requires_grad=True)
    response_loss(ours, -ours.detach(), target=target, temperature=1).sum().backward()
    assert ours.grad.isfinite().all()


@pytest.mark.parametrize("euclidean", [False, True])
def test_maps_are_compared_whatever_their_scale_and_are_equal_over_a_single_patch(euclidean):
    bags = Bags(torch.empty(6, 0), torch.tensor([1, 5]))
    ours, theirs = torch.rand(6).requires_grad_(), torch.rand(6)
    loss = map_loss(unit_map(ours, bags), unit_map(theirs, bags), bags, euclidean=euclidean)
    scaled = map_loss(unit_map(7 * ours, bags), unit_map(0.1 * theirs, bags), bags, euclidean=euclidean)
    assert_close(loss, scaled)
    assert loss[0] <= 1e-12 < loss[1]
    loss.sum().backward()
    assert ours.grad.isfinite().all() and not ours.grad[0]


def test_a_bag_of_dead_patches_has_a_finite_gradient():
    bags = Bags(torch.empty(3, 0), torch.tensor([3]))
    dead = torch.zeros(3, requires_grad=True)
    for euclidean in (False, True):
        map_loss(unit_map(dead, bags), unit_map(torch.ones(3), bags), bags, euclidean=euclidean).sum().backward()
    assert dead.grad.isfinite().all()


@pytest.mark.parametrize("student", ["clam_sb", "clam_mb", "abmil"])
def test_the_losses_are_the_students_own_and_the_distance_to_the_teacher(student):
    inputs, target = batch_of()
    model, theirs = taught(inputs, target, student=student, weight=0.3, temperature=2.0, target="event")
    output = model(inputs)
    own = {"survival": model.student.survival_loss(output, target), **model.student.extra_losses(output, target)}
    ours = {"survival": model.survival_loss(output, target), **model.extra_losses(output, target)}
    assert_close(
        ours.pop("distillation"), 0.3 * response_loss(output.logits, theirs.logits, target="event", temperature=2)
    )
    assert_close(ours, {name: 0.7 * loss for name, loss in own.items()})


@pytest.mark.parametrize("student", ["clam_sb", "clam_mb"])
@pytest.mark.parametrize("maps", ["at_patch", "at_patch_l2", "at_attention"])
def test_representations_are_compared_patch_by_patch_within_each_patient(maps, student):
    inputs, target = batch_of()
    model, theirs = taught(inputs, target, student=student, loss="representation", maps=maps, beta=10)
    output = model(inputs)
    if maps == "at_attention":
        ours = output.attention["bins" if student == "clam_mb" else "patches"].reshape(sum(LENGTHS), -1).mean(1)
        both = ours, theirs.details["coattention"].mean(1)
    else:
        both = (each.details["patches"].square().mean(1) for each in (output, theirs))
    expected = []
    for a, b in zip(*(each.split(LENGTHS) for each in both), strict=True):
        difference = F.normalize(a, dim=0) - F.normalize(b, dim=0)
        expected.append(difference.norm() if maps == "at_patch_l2" else difference.square().mean())
    losses = model.extra_losses(output, target)
    assert_close(losses["instance"], model.student.extra_losses(output, target)["instance"])
    assert_close(losses["distillation"], 10 * torch.stack(expected), atol=1e-6, rtol=1e-5)
    losses["distillation"].sum().backward()
    reached = model.student.attend.score if maps == "at_attention" else model.student.project[0]
    assert reached.weight.grad.any()
    assert_close(model.survival_loss(output, target), model.student.survival_loss(output, target))


@pytest.mark.parametrize("loss", ["response", "representation"])
def test_a_patient_drawn_twice_and_in_any_order_meets_the_own_teacher(loss):
    inputs, target = batch_of()
    model, _ = taught(inputs, target, loss=loss)
    each = model.extra_losses(model(inputs), target)["distillation"]
    order = [2, 0, 2, 3]
    some = inputs.split()
    bags = Bags(torch.cat([some[i].bags.values for i in order]), torch.tensor([LENGTHS[i] for i in order]))
    again = model.extra_losses(model(Inputs(bags)), target.take(torch.tensor(order)))["distillation"]
    assert_close(again, each[order])


@pytest.mark.parametrize("loss", ["response", "representation"])
def test_a_patient_without_genes_learns_from_the_outcome_alone(loss):
    inputs, target = batch_of()
    with_genes = taught(inputs, target, loss=loss)[0]
    inputs.omics[0][2], inputs.omics[1][2] = torch.nan, torch.nan
    without = taught(inputs, target, loss=loss)[0]
    a, b = (model.extra_losses(model(inputs), target) for model in (with_genes, without))
    assert b["distillation"][2] == 0 and a["distillation"][2] > 0
    keep = [0, 1, 3]
    assert_close(b["distillation"][keep], a["distillation"][keep])
    assert_close(b["instance"], a["instance"])
    sum(b.values()).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in without.parameters())


def test_other_bags_than_the_teacher_saw_are_refused_where_maps_are_compared():
    inputs, target = batch_of()
    model, _ = taught(inputs, target, loss="representation")
    assert model.profile.keeps_patches and not taught(inputs, target)[0].profile.keeps_patches
    other = batch_of([2, 1, 7, 6])[0]
    with pytest.raises(ModelError, match="these bags are not those that the teacher saw"):
        model.extra_losses(model(other), target)


def test_a_teacher_is_no_part_of_its_student():
    inputs, target = batch_of()
    model, _ = taught(inputs, target, loss="representation")
    assert all(name.startswith("student.") for name in model.state_dict())
    torch.manual_seed(3)
    alone = create_model("clam_sb", embedding_dim=10, n_bins=4, **STUDENT)
    torch.manual_seed(3)
    inside = create_model("kd", **SIZES, student_options=STUDENT, teacher_options=TEACHER).student
    assert all(torch.equal(value, inside.state_dict()[name]) for name, value in alone.state_dict().items())


def test_without_a_teacher_there_is_a_prediction_and_no_training():
    inputs, target = batch_of()
    model = create_model("kd", **SIZES, student_options=STUDENT, teacher_options=TEACHER)
    output = model(replace(inputs, omics=()))
    with pytest.raises(ModelError, match="after before_training has asked a teacher"):
        model.extra_losses(output, target)
    with pytest.raises(ModelError, match="no teacher to learn from: train mcat"):
        model.before_training(target, lambda rows: inputs)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"teacher": "abmil"}, "cannot have abmil as teacher, which must predict and learn from slides and genes"),
        ({"student": "mcat"}, "cannot have mcat as student, which must predict and learn from slides alone"),
        ({"student": "ghanet"}, "cannot have ghanet as student"),
        ({"teacher": "mcatt"}, "There is no method 'mcatt'; did you mean 'mcat'"),
        ({"teacher_options": {"heds": 2}}, "mcat has no option 'heds'; did you mean 'heads'"),
        ({"teacher": "dualtrans", "teacher_options": {}, "loss": "representation"}, "dualtrans as teacher, which does"),
        (
            {"teacher": "gpdbn", "teacher_options": {"head": "cox"}},
            "gpdbn as teacher, which predicts a log hazard ratio",
        ),
        (
            {"student": "meanmil", "loss": "representation", "maps": "at_attention"},
            "meanmil as student, which does not",
        ),
        ({"student": "meanmil", "student_options": {"pool": "logits"}}, "meanmil has no option"),
        ({"loss": "both"}, "kd has no loss 'both'"),
        ({"temperature": 0}, "temperature=0. Give a number above 0"),
        ({"beta": float("inf")}, "beta=inf. Give a finite number"),
        ({"weight": 1.5}, "weight=1.5. Give a number from 0 to 1"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_trained(options, says):
    with pytest.raises(ModelError, match=says):
        create_model("kd", **SIZES, **{"teacher_options": TEACHER, **options})
