"""The commands that give trained models patients they have not seen."""

from pathlib import Path
from typing import Annotated

import typer

from prognoscope.commands.arguments import Overrides, RunFolder
from prognoscope.commands.telling import say
from prognoscope.core.words import count


def predict(
    run: RunFolder,
    study: Annotated[Path, typer.Option("--study", help="The study file of the new patients; needs no follow-up.")],
    to: Annotated[Path, typer.Option("--out", help="The CSV file to write.")] = Path("predictions.csv"),
    method: Annotated[str | None, typer.Option(help="Which method; needed if the run has several.")] = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Apply the trained models of a run, all folds together, to new patients.

    Example: `prognoscope predict run --method abmil --study new.yaml --out new.csv`.
    """
    from prognoscope.study.apply import predict_patients

    table = predict_patients(run, study, method=method, overrides=overrides, to=to)
    say(f"Wrote {to}: {count(len(table), 'patient')}.")
    for sentence in table.attrs["left_out"]:
        say(sentence)
