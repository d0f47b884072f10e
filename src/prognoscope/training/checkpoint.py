"""Weights with their recipe, and the state of an interrupted training: safetensors and JSON, nothing that runs code."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from prognoscope.core.errors import ModelError
from prognoscope.core.files import need_file, read_json, write_json, written_whole
from prognoscope.models.base import Recipe, Sizes, SurvivalModel
from prognoscope.models.registry import create_model

WEIGHTS, CARD, STATE = "model.safetensors", "model.json", "state.safetensors"


def save_model(folder: Path, model: SurvivalModel, card: dict[str, object]) -> None:
    """Write `model.safetensors` and `model.json`, from which `load_model` makes the model again.

    Args:
        card: JSON-able; `name`, `options` and `sizes` are what the model is made of.
    """
    with written_whole(folder / WEIGHTS) as beside:
        save_file({name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}, beside)
    write_json(folder / CARD, card)


def load_model(folder: Path) -> tuple[SurvivalModel, dict]:
    """The model of a fold in evaluation mode, and its card.

    Raises:
        ModelError: The weights do not fit the card.
    """
    card = read_json(folder / CARD, "The model card")
    sizes = {**card["sizes"], "group_sizes": tuple(card["sizes"]["group_sizes"])}
    model = create_model(card["name"], sizes=Sizes(**sizes), **card["options"])
    try:
        model.load_state_dict(load_file(need_file(folder / WEIGHTS, "The weights file")))
    except RuntimeError as cause:
        raise ModelError(f"The weights in {folder} do not fit {folder / CARD}: {cause}") from cause
    return model.eval(), card


def save_state(path: Path, model: SurvivalModel, optimizer: torch.optim.Optimizer, progress) -> None:
    """Write all that a training needs to continue after its last finished epoch, in one file."""
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in progress.best_weights.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in state.items() if value is not None}
    progress_text = json.dumps({"history": progress.history, "best_epoch": progress.best_epoch})
    with written_whole(path) as beside:
        flat = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        save_file(flat, beside, metadata={"progress": progress_text})


def load_state(path: Path, model: SurvivalModel, optimizer: torch.optim.Optimizer, kind: type):
    """Put model and optimiser where `save_state` left them; returns the progress, of the class `kind`."""
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimizer": {}}
    with safe_open(path, framework="pt", device="cpu") as file:
        progress = kind(**json.loads(file.metadata()["progress"]))
        for key in file.keys():  # noqa: SIM118 (it is no mapping)
            part, name = key.split("/", 1)
            parts[part][name] = file.get_tensor(key)
    model.load_state_dict(parts["model"])
    device = next(iter(model.state_dict().values())).device
    progress.best_weights = {name: value.to(device) for name, value in parts["best"].items()}
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in parts["optimizer"].items():
        index, name = key.split("/", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return progress


def recipe_from(values: dict[str, object]) -> Recipe:
    """A recipe from a model card."""
    return Recipe(**{field.name: values[field.name] for field in fields(Recipe) if field.name in values})


def sizes_card(sizes: Sizes) -> dict[str, object]:
    """Sizes as JSON."""
    return {**asdict(sizes), "group_sizes": list(sizes.group_sizes)}
