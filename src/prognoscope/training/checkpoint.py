"""Weights with their recipe, and the state of an interrupted training: safetensors and JSON, nothing that runs code."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor
from torch.optim import Optimizer

from prognoscope.core.errors import ModelError, some
from prognoscope.core.files import need_file, written_whole
from prognoscope.core.named import named
from prognoscope.models.base import SurvivalModel
from prognoscope.models.creation import create_model
from prognoscope.models.registry import sizes_for
from prognoscope.models.sizes import Sizes
from prognoscope.runs.card import ModelCard, read_card, write_card
from prognoscope.runs.layout import FoldFiles
from prognoscope.runs.manifest import AGAIN, checked, is_there
from prognoscope.training.progress import Progress


def save_model(files: FoldFiles, model: SurvivalModel, card: ModelCard) -> None:
    """Write weights and card, from which `load_model` makes the model again."""
    with written_whole(files.weights) as beside:
        beside.write_bytes(_bytes_of(model))  # save_file hides the reason of a disk that is full
    write_card(files.card, card)


def load_model(files: FoldFiles) -> tuple[SurvivalModel, ModelCard]:
    """The model of a fold in evaluation mode, and its card.

    Raises:
        MissingFileError: The card or the weights are not there.
        ModelError: The weights are not whole, do not fit the card, or were not to be kept.
    """
    card = read_card(files.card)
    model = create_model(card.name, sizes=sizes_of_card(card.sizes), **card.options)
    model.take_causes(int(card.sizes.get("n_bins", len(card.time_bins))) // len(card.time_bins))
    if not files.weights.is_file() and files.is_done and not is_there(files.weights):
        raise ModelError(
            f"{files.folder} kept no weights, for its study says keep_models: false, so its model cannot predict or "
            f"explain. {AGAIN}"
        )
    path = checked(need_file(files.weights, "The weights file", "Train it again, with the command that made it."))
    try:
        model.load_state_dict(load_file(path))
    except SafetensorError as cause:
        raise ModelError(f"{path} is not a whole file of weights ({cause}). Train again.") from cause
    except RuntimeError as cause:
        details = [line.rstrip(".") for line in str(cause).split("\n\t")[1:]]
        raise ModelError(f"{path} does not fit {files.card}: {some(details, 2)}. Train again.") from cause
    return model.eval(), card


def weights_digest(model: SurvivalModel) -> str:
    """The SHA-256 of the file that `save_model` would write of the weights, in hexadecimal digits."""
    return hashlib.sha256(_bytes_of(model)).hexdigest()


def sizes_card(name: str, sizes: Sizes) -> dict[str, Any]:
    """Sizes as JSON, as far as a method has a use for them."""
    sizes = sizes_for(name, sizes)
    names = [list(columns) for columns in sizes.gene_names]
    return {**named(sizes), "group_sizes": list(sizes.group_sizes), "gene_names": names}


def sizes_of_card(card: Mapping[str, Any]) -> Sizes:
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
    tensors |= {f"risks/{name}": value for name, value in progress.risks.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in state.items() if value is not None}
    about = {"key": key, "history": json.dumps(progress.history), "best_epoch": str(progress.best_epoch)}
    tensors = _on_cpu(tensors)
    with written_whole(path) as beside:
        beside.write_bytes(save(tensors, metadata=about | {"sum": _sum_of(tensors, about)}))


def load_state(path: Path, model: SurvivalModel, optimizer: Optimizer, key: str) -> Progress | None:
    """Put model and optimiser where `save_state` left them.

    Returns:
        The progress; None, with nothing changed, if the file is not there, is damaged, or belongs to a training with
        another key.
    """
    if not path.is_file():
        return None
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "risks": {}, "optimizer": {}}
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            about = file.metadata() or {}
            if about.get("key") != key:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except SafetensorError:
        return None
    if about.pop("sum", None) != _sum_of(tensors, about):
        return None
    for name, value in tensors.items():
        part, rest = name.split("/", 1)
        parts[part][rest] = value
    model.load_state_dict(parts["model"])
    state: dict[int, dict[str, Tensor]] = {}
    for place, value in parts["optimizer"].items():
        index, name = place.split("/", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return Progress(json.loads(about["history"]), int(about["best_epoch"]), parts["best"], parts["risks"])


def _sum_of(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> str:
    """What stands for a state, so that one with a changed byte is not continued from."""
    sha = hashlib.sha256(json.dumps(dict(about), sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        sha.update(value.contiguous().view(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def _bytes_of(model: SurvivalModel) -> bytes:
    return save(_on_cpu(model.state_dict()))


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that share no memory, which safetensors would refuse."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
