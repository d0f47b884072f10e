"""The commands that give trained models patients they have not seen."""

from pathlib import Path
from typing import Annotated

import typer

from prognoscope.commands.arguments import Overrides, RunFolder
from prognoscope.commands.telling import say
from prognoscope.core.errors import InputError
from prognoscope.core.words import count


def predict(
    run: RunFolder,
    study: Annotated[
        list[Path], typer.Option("--study", help="The study file of new patients; needs no follow-up. Repeatable.")
    ] = [],  # noqa: B006
    features: Annotated[
        Path | None, typer.Option(help="Without a study: a folder of embeddings, or a table with a row a patient.")
    ] = None,
    genes: Annotated[Path | None, typer.Option(help="Without a study: the gene table.")] = None,
    clinical: Annotated[Path | None, typer.Option(help="Without a study: the table of covariates.")] = None,
    slides: Annotated[Path | None, typer.Option(help="Without a study: a table of slides and patients.")] = None,
    to: Annotated[Path, typer.Option("--out", help="The CSV file to write.")] = Path("predictions.csv"),
    method: Annotated[str | None, typer.Option(help="Which method; needed if the run has several.")] = None,
    times: Annotated[str, typer.Option(help="Months at which survival is told, such as 12,36,60.")] = "",
    overlap: Annotated[
        str, typer.Option(help="Patients whom the models learned from: refuse, drop or keep.")
    ] = "refuse",
    final: Annotated[bool, typer.Option("--final", help="By the model of all patients, of `run --final`.")] = False,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Apply the trained models of a run, all folds together, or an exported model, to new patients.

    Example: `prognoscope predict run --method abmil --study new.yaml --times 12,36,60`, or without a study file
    `prognoscope predict run --method coxph --genes genes.csv --clinical clinical.csv`.
    """
    from prognoscope.report.validation_page import need_own_validation
    from prognoscope.study.apply.given import Given
    from prognoscope.study.apply.predict import predict_cohorts
    from prognoscope.study.apply.validate import validate

    if run.parts[:1] and run.parts[0].startswith("hub:"):
        raise InputError(f"Fetch a model first: `prognoscope pull {run.as_posix().removeprefix('hub:')} --out model`.")
    need_own_validation(to)
    files = Given(features, genes, clinical, slides)
    if bool(study) == (files != Given()):
        raise InputError("Name the new patients either with --study, or with --features, --genes and --clinical.")
    asked = {"times": _times(times), "overlap": _one_of("--overlap", overlap, ("refuse", "drop", "keep"))}
    found = predict_cohorts(run, study or [files], method=method, overrides=overrides, to=to, final=final, **asked)
    say(f"Wrote {to}: {count(sum(len(each.table) for each in found), 'patient')}.")
    page, said = validate(found, to)
    for each in found:
        if len(found) > 1:
            say(f"{each.name}:")
        for sentence in (*each.table.attrs["left_out"], *each.table.attrs["summary"]):
            say(sentence)
        if each.unit not in (None, "months"):
            say(f"The clinical table of {each.name} is in {each.unit}; all times here are in months.")
    for sentence in said:
        say(sentence)
    if page is not None:
        say(f"External validation: {page}")


def serve(
    model: Annotated[Path, typer.Argument(help="A folder that `prognoscope export` wrote.")],
    host: Annotated[str, typer.Option(help="Where to listen; elsewhere a token is asked for.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="By default 8765, or a free one.")] = None,
) -> None:
    """Answer requests by an exported model, on this machine alone: JSON, or FHIR-like RiskAssessments. Ctrl-C ends it.

    Example: `prognoscope serve model`.
    """
    from prognoscope.viewer.serve import open_service

    serving, token = open_service(model, host=host, port=port)
    say(f"POST to {serving.url}predict or {serving.url}fhir/RiskAssessment. Ctrl-C ends it.")
    if token:
        say(f"Others need the header: Authorization: Bearer {token}")
    serving.run()


def _times(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in text.split(",") if each.strip())
    except ValueError as cause:
        raise InputError(f"--times takes months with commas between them, such as 12,36,60, not {text!r}.") from cause


def _one_of(option: str, word: str, known: tuple[str, ...]) -> str:
    if word not in known:
        raise InputError(f"{option} is {word!r}; give {', '.join(known[:-1])} or {known[-1]}.")
    return word
