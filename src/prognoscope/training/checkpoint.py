"""Weights with their recipe, and the state of an interrupted training: safetensors and JSON, nothing that runs code."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor
from torch.optim import Optimizer

from prognoscope.core.errors import ModelError, some
from prognoscope.core.files import need_file, read_json, write_json, written_whole
from prognoscope.models.base import Sizes, SurvivalModel
from prognoscope.models.registry import create_model
from prognoscope.training.progress import Progress

WEIGHTS, CARD, STATE = "model.safetensors", "model.json", "state.safetensors"


def save_model(folder: Path, model: SurvivalModel, card: Mapping[str, object]) -> None:
    """Write `model.safetensors` and `model.json`, from which `load_model` makes the model again.

    Args:
        card: JSON-able; `name`, `options` and `sizes` are what the model is made of.
    """
    with written_whole(folder / WEIGHTS) as beside:
        beside.write_bytes(save(_on_cpu(model.state_dict())))  # save_file hides the reason of a disk that is full
    write_json(folder / CARD, card)


def load_model(folder: Path) -> tuple[SurvivalModel, dict]:
    """The model of a fold in evaluation mode, and its card.

    Raises:
        ModelError: The weights are not whole, or do not fit the card.
    """
    card = read_json(folder / CARD, "The model card", "Train it again, with the command that made it.")
    if not isinstance(card, dict) or not {"name", "options", "sizes"} <= set(card):
        raise ModelError(f"{folder / CARD} does not tell name, options and sizes of a model. Train it again.")
    model = create_model(card["name"], sizes=sizes_of_card(card["sizes"]), **card["options"])
    path = need_file(folder / WEIGHTS, "The weights file", "Train it again, with the command that made it.")
    try:
        model.load_state_dict(load_file(path))
    except SafetensorError as cause:
        raise ModelError(f"{path} is not a whole file of weights ({cause}). Train again.") from cause
    except RuntimeError as cause:
        details = [line.rstrip(".") for line in str(cause).split("\n\t")[1:]]
        raise ModelError(f"{path} does not fit {folder / CARD}: {some(details, 2)}. Train again.") from cause
    return model.eval(), card


def sizes_card(sizes: Sizes) -> dict[str, object]:
    """Sizes as JSON."""
    names = [list(columns) for columns in sizes.gene_names]
    return {**asdict(sizes), "group_sizes": list(sizes.group_sizes), "gene_names": names}


def sizes_of_card(card: Mapping[str, object]) -> Sizes:
    """What `sizes_card` made of sizes; a card from before there were gene names has none."""
    names = tuple(tuple(columns) for columns in card.get("gene_names", ()))
    return Sizes(**{**card, "group_sizes": tuple(card["group_sizes"]), "gene_names": names})


def save_state(path: Path, model: SurvivalModel, optimizer: Optimizer, progress: Progress, key: str) -> None:
    """Write all that a training needs to continue after its last finished epoch, in one file.

    Args:
        key: Stands for all that the numbers depend on; `load_state` demands the same.
    """
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in progress.best_weights.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in state.items() if value is not None}
    about = {"key": key, "history": json.dumps(progress.history), "best_epoch": str(progress.best_epoch)}
    with written_whole(path) as beside:
        beside.write_bytes(save(_on_cpu(tensors), metadata=about))


def load_state(path: Path, model: SurvivalModel, optimizer: Optimizer, key: str) -> Progress | None:
    """Put model and optimiser where `save_state` left them.

    Returns:
        The progress; None, with nothing changed, if the file is not there, is cut off, or belongs to a training with
        another key.
    """
    if not path.is_file():
        return None
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimizer": {}}
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            about = file.metadata() or {}
            if about.get("key") != key:
                return None
            for name in file.keys():  # noqa: SIM118 (it is no mapping)
                part, rest = name.split("/", 1)
                parts[part][rest] = file.get_tensor(name)
    except SafetensorError:
        return None
    model.load_state_dict(parts["model"])
    state: dict[int, dict[str, Tensor]] = {}
    for place, value in parts["optimizer"].items():
        index, name = place.split("/", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return Progress(json.loads(about["history"]), int(about["best_epoch"]), parts["best"])


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that share no memory, which safetensors would refuse."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
