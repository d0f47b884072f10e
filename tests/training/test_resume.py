"""A training stopped anywhere continues as if nothing had been; a state of another training is not continued."""

from dataclasses import replace

import pytest
import torch

from prognoscope.models.recipe import Recipe
from prognoscope.training.loop import fit
from prognoscope.training.spec import TrainingSpec
from tests.training.toys import c_index, weights

EPOCHS = 5
ALWAYS = TrainingSpec(seed=3, save_every_s=0.0)


class Stopped(Exception):
    pass


def train(
    toy,
    state_file,
    *,
    name="abmil",
    spec=ALWAYS,
    about=None,
    parts=("train", "validation"),
    stop=None,
    heard=None,
    **changes,
):
    """History and weights; stopped after `stop` epochs, as by a kill. `heard` is given each epoch that was trained."""
    model = toy.model(name, dropout=0.3)
    how = Recipe(**{"learning_rate": 2e-2, "epochs": EPOCHS, "patients_per_step": 8} | changes)

    def tell(done, of):
        assert of == how.epochs
        if heard is not None:
            heard.append(done)
        if done == stop:
            raise Stopped

    train, validation = map(toy.dataset, parts)
    options = {"test": toy.dataset("test"), "metric": c_index, "recipe": how, "spec": spec, "about": about}
    progress = fit(model, train, validation=validation, state_file=state_file, on_epoch=tell, **options)
    return progress.history, progress.best_epoch, weights(model)


def assert_same(one, other):
    assert one[:2] == other[:2]
    assert all(torch.equal(value, other[2][name]) for name, value in one[2].items())


@pytest.mark.parametrize(("name", "optimizer"), [("abmil", "adam"), ("mcti", "sgd")])
def test_a_training_stopped_after_every_epoch_gives_the_unbroken_numbers(toy, tmp_path, name, optimizer):
    options = {"name": name, "optimizer": optimizer, "learning_rate": 1e-3, "schedule": "cosine"}
    whole = train(toy, None, **options)
    for stop in range(1, EPOCHS + 1):
        with pytest.raises(Stopped):
            train(toy, tmp_path / "state.safetensors", stop=stop, **options)
    assert_same(train(toy, tmp_path / "state.safetensors", **options), whole)


def test_epochs_that_were_saved_are_not_trained_again(toy, tmp_path):
    heard: list[int] = []
    with pytest.raises(Stopped):
        train(toy, tmp_path / "state.safetensors", stop=3, heard=heard)
    train(toy, tmp_path / "state.safetensors", heard=heard)
    assert heard == [1, 2, 3, 4, 5]


def test_how_often_is_saved_makes_no_other_training(toy, tmp_path):
    heard: list[int] = []
    with pytest.raises(Stopped):
        train(toy, tmp_path / "state.safetensors", stop=3, heard=heard)
    train(toy, tmp_path / "state.safetensors", spec=replace(ALWAYS, save_every_s=60.0), heard=heard)
    assert heard == [1, 2, 3, 4, 5]


def test_a_stop_between_two_savings_costs_only_time(toy, tmp_path):
    whole = train(toy, None)
    with pytest.raises(Stopped):
        train(toy, tmp_path / "state.safetensors", stop=2)
    with pytest.raises(Stopped):
        train(toy, tmp_path / "state.safetensors", stop=4, spec=replace(ALWAYS, save_every_s=1e9))
    assert_same(train(toy, tmp_path / "state.safetensors"), whole)


def test_patience_is_remembered(toy, tmp_path):
    spec = replace(ALWAYS, patience=1)
    whole = train(toy, None, spec=spec, learning_rate=0.3)
    stopped_at = len(whole[0])
    assert 1 < stopped_at < EPOCHS
    for stop in range(1, stopped_at + 1):
        with pytest.raises(Stopped):
            train(toy, tmp_path / "state.safetensors", spec=spec, learning_rate=0.3, stop=stop)
    assert_same(train(toy, tmp_path / "state.safetensors", spec=spec, learning_rate=0.3), whole)


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.999])
def test_a_state_that_is_cut_off_is_begun_anew(toy, tmp_path, kept):
    whole = train(toy, None)
    with pytest.raises(Stopped):
        train(toy, tmp_path / "state.safetensors", stop=2)
    content = (tmp_path / "state.safetensors").read_bytes()
    (tmp_path / "state.safetensors").write_bytes(
        content[: int(kept * len(content)) if isinstance(kept, float) else kept]
    )
    assert_same(train(toy, tmp_path / "state.safetensors"), whole)


def test_a_file_that_is_no_state_is_begun_anew(toy, tmp_path):
    whole = train(toy, None)
    (tmp_path / "state.safetensors").write_text(
        "this is no state at all, but long enough to hold the length of a header"
    )
    assert_same(train(toy, tmp_path / "state.safetensors"), whole)


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 1e-2},
        {"spec": replace(ALWAYS, seed=4)},
        {"spec": replace(ALWAYS, patches_per_pass=30)},
        {"about": {"dropout": 0.4}},
        {"name": "meanmil"},
        {"parts": ("test", "validation")},
    ],
    ids=str,
)
def test_a_state_of_another_training_is_not_continued(toy, tmp_path, changes):
    whole = train(toy, None, **changes)
    with pytest.raises(Stopped):
        train(toy, tmp_path / "state.safetensors", stop=3)
    assert_same(train(toy, tmp_path / "state.safetensors", **changes), whole)
    assert_same(train(toy, tmp_path / "state.safetensors", **changes), whole)  # now its own


def test_another_outcome_or_gene_makes_another_training(toy):
    assert toy.dataset("train").fingerprint == toy.dataset("train").fingerprint != toy.dataset("test").fingerprint
    gene, event = toy.dataset("train"), toy.dataset("train")
    gene.omics[1][0, 0] += 1
    event.target.event[0] = ~event.target.event[0]
    assert len({each.fingerprint for each in (toy.dataset("train"), gene, event)}) == 3


def test_a_state_with_a_changed_byte_is_not_continued_from(toy, tmp_path):
    whole, path = train(toy, None), tmp_path / "state.safetensors"
    with pytest.raises(Stopped):
        train(toy, path, stop=3)
    state = path.read_bytes()
    for at in (len(state) // 3, len(state) // 2, len(state) - 1):  # among the numbers
        path.write_bytes(state[:at] + bytes([state[at] ^ 64]) + state[at + 1 :])
        assert_same(train(toy, path), whole)
