"""The commands that turn slides into embeddings, and tell by what."""

import typer

from prognoscope.commands.arguments import Jobs, Overrides, StudyFile
from prognoscope.commands.telling import extract_and_tell, say, show_table


def encoders() -> None:
    """List the encoders: length of an embedding, whether the weights are here, licence, commercial use.

    Example: `prognoscope encoders`.
    """
    from prognoscope.features.encoders.standing import encoder_table, other_names
    from prognoscope.features.encoders.weights import weights_home

    show_table("Encoders", encoder_table())
    say(f"Weights are looked for in {weights_home()} ($PROGNOSCOPE_WEIGHTS) and in the cache of the Hugging Face hub.")
    say("Besides: timm:NAME for any network of timm, module:Class for one of yours.")
    say(f"Other names: {other_names()}; hyphens are underscores.")


def extract(study: StudyFile, overrides: Overrides = [], jobs: Jobs = 1) -> None:  # noqa: B006
    """Turn slides into embeddings, one file a slide. Started again, it continues.

    Example: `prognoscope extract study.yaml --jobs 4`.
    """
    from prognoscope.study.study import Study

    loaded = Study.load(study, overrides)
    if extract_and_tell(lambda advance: loaded.extract(workers=jobs, progress=advance)).failed:
        raise typer.Exit(1)
