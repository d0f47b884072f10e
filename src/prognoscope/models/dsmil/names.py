"""Names of DSMIL's released code, and of its copy in MCTI's."""

from torch import Tensor

NAMES = {
    "i_classifier.fc.0": "streams.patch_classifier",
    "i_classifier.fc": "streams.patch_classifier",  # of another class of the same code
    "b_classifier.q": "streams.query",
    "b_classifier.v": "streams.value",
    "b_classifier.fcc.weight": "streams.bag_weight",
    "b_classifier.fcc.bias": "streams.bag_bias",
    "b_classifier.proj": "streams.project",
}


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes; dropout and averaging leave no trace in them."""
    n_bins, embedding_dim = state["streams.patch_classifier.weight"].shape
    nonlinear = "streams.query.0.weight" in state
    return {
        "embedding_dim": embedding_dim,
        "n_bins": n_bins,
        "variant": "mcti" if "streams.project.weight" in state else "paper",
        "query_dim": len(state["streams.query.0.bias" if nonlinear else "streams.query.bias"]),
        "nonlinear": nonlinear,
        "passing_v": "streams.value.1.weight" in state,
    }
