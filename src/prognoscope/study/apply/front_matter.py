"""What the model card begins with, as the Hugging Face hub reads it: YAML between two lines of dashes."""

from collections.abc import Mapping
from typing import Any

import yaml

NOT_TOLD = "not told; ask whoever made it"  # of a licence
HUB_LICENCES = (  # as the hub calls them; all others are "other", with their name
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "cc0-1.0"),
    *("cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0"),
)


def front_matter(about: Mapping[str, Any]) -> str:
    """The metadata of a model's card: licence, library, tags and the C-index on held-out patients.

    Args:
        about: What `model.json` of an exported model says.
    """
    told: dict[str, Any] = {"library_name": "prognoscope"}
    if about["licence"] != NOT_TOLD:
        licence = str(about["licence"]).strip().lower().replace(" ", "-")
        told["license"] = licence if licence in HUB_LICENCES else "other"
        if told["license"] == "other":
            told["license_name"] = licence
    told["tags"] = ["survival-analysis", "pathology", "cancer", str(about["name"])]
    if about["c_index"] is not None:
        told["metrics"] = ["c_index"]
        measured = {"type": "c_index", "name": "C-index on held-out patients", "value": about["c_index"]["value"]}
        result = {
            "task": {"type": "survival-analysis", "name": "Survival analysis"},
            "dataset": {"type": "private", "name": str(about["study"])},
            "metrics": [measured],
        }
        told["model-index"] = [{"name": str(about["title"]), "results": [result]}]
    return f"---\n{yaml.safe_dump(told, sort_keys=False, allow_unicode=True)}---\n"
