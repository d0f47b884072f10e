"""Which encoders there are, and for each what it needs: weights on disk or to be fetched, and under which licence."""

import pandas as pd

from prognoscope.core.errors import MissingFileError
from prognoscope.features.encoders import create_encoder, installed_encoders
from prognoscope.features.encoders.catalogue import ALIASES, CATALOGUE, Description
from prognoscope.features.encoders.weights import find_weights, is_of_hub, weights_on_disk

ALLOWED = {True: "yes", False: "no", None: "see licence"}


def encoder_table() -> pd.DataFrame:
    """One row an encoder, those first that a hospital or a company may use: D, weights, licence, repository."""
    rows = [("stain", str(create_encoder("stain").embedding_dim), "none needed", "yes", "Apache 2.0", "")]
    rows += [
        (each.name, str(each.embedding_dim), _standing(each), ALLOWED[each.commercial], each.licence, each.hub)
        for each in CATALOGUE.values()
    ]
    rows += [(name, "", "its package's", "", "its package's", place) for name, place in installed_encoders().items()]
    return pd.DataFrame(rows, columns=["encoder", "D", "weights", "commercial use", "licence", "on huggingface.co"])


def encoders_on_disk() -> list[str]:
    """The names of those whose weights lie on this disk."""
    return [name for name, told in CATALOGUE.items() if weights_on_disk(told) is not None]


def weights_fault(encoder: str, weights: str | None) -> str:
    """Why an extraction would stop for want of weights, as a sentence; "" where it would not."""
    if encoder in CATALOGUE and not (weights and is_of_hub(weights)):
        try:
            find_weights(CATALOGUE[encoder], weights)
        except MissingFileError as why:
            return str(why)
    return ""


def pinning() -> str:
    """Which revisions of published files are fetched, as a sentence."""
    free = ", ".join(name for name, told in CATALOGUE.items() if told.revision is None)
    return (
        f"hub fetches one known commit of a repository, but the newest of {free}; hub@REVISION fetches that of "
        "REVISION, as hub@main the newest. Each file of embeddings keeps 16 digits of its weights' SHA-256."
    )


def _standing(told: Description) -> str:
    if weights_on_disk(told) is not None:
        return "on disk"
    return "to be fetched, gated" if told.gated else "to be fetched"


def other_names() -> str:
    """Names of TRIDENT's that are understood besides."""
    return ", ".join(f"{theirs} for {ours}" for theirs, ours in ALIASES.items())
