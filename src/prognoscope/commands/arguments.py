"""What several commands ask for in the same words."""

from pathlib import Path
from typing import Annotated

import typer

StudyFile = Annotated[Path, typer.Argument(help="The study's YAML file; `prognoscope init` writes one.")]
RunFolder = Annotated[Path, typer.Argument(help="A run folder, as `prognoscope run` makes it.")]
RunOrSeeds = Annotated[Path, typer.Argument(help="A run folder, or a folder of seeds, as `prognoscope run` makes it.")]
Overrides = Annotated[list[str], typer.Option("--set", help="Replace a setting: section.key=value. Repeatable.")]
Cluster = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Work on a Ray cluster: host:6379 or auto; local starts one here.")
]
Jobs = Annotated[int, typer.Option(min=1, help="Processes at once; the numbers do not depend on it.")]
