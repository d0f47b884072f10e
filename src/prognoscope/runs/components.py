"""What a method made of held-out patients before it judged them, component by component: a file of a fold."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from prognoscope.core.errors import InputError
from prognoscope.core.files import written_whole
from prognoscope.runs.manifest import checked


def write_components(path: Path, components: Mapping[str, Float[np.ndarray, "P _"]]) -> None:
    """Write each component of P patients, in single precision, and the order of the components."""
    values = {name: np.ascontiguousarray(each, dtype=np.float32) for name, each in components.items()}
    with written_whole(path) as beside:
        save_file(values, beside, metadata={"components": " ".join(components)})


def read_components(path: Path) -> dict[str, Float[np.ndarray, "P _"]]:
    """Each component of the patients of a fold, in the order of its predictions.

    Raises:
        InputError: The file is damaged.
    """
    try:
        with safe_open(checked(path), "numpy") as file:
            return {name: file.get_tensor(name) for name in file.metadata()["components"].split()}
    except (SafetensorError, KeyError, TypeError) as cause:
        raise InputError(f"{path} holds no components ({cause}). Remove its fold and run the study again.") from cause
