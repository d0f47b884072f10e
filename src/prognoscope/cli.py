"""The command line: all commands, each a thin function over the Python API in `commands/`. Only they print."""

from collections.abc import Sequence
from typing import Annotated

import typer

from prognoscope import __version__
from prognoscope.commands.applying import predict, serve
from prognoscope.commands.exporting import export, pull
from prognoscope.commands.extracting import convert, encoders, extract
from prognoscope.commands.making import check, demo, doctor, gene_sets, import_, init, run, schema, simulate, slurm
from prognoscope.commands.reading import compare, explain, figures, genes, methods, optimism, report, view
from prognoscope.commands.shell import run_command
from prognoscope.commands.telling import say

app = typer.Typer(
    help="How long cancer patients live, predicted from slides, genes and follow-up, under one honest protocol.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
COMMANDS = (demo, simulate, init, import_, gene_sets, schema, check, doctor, encoders, extract, convert, run, slurm)
COMMANDS += (compare, optimism, genes, predict, export, pull, serve, explain, report, figures, view)
COMMANDS += (methods,)  # in the order of --help


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process.

    Args:
        arguments: What follows `prognoscope`; by default what was typed.
    """
    run_command(app, arguments)


def _version(is_asked: bool | None) -> bool:
    if is_asked:
        say(f"prognoscope {__version__}")
        raise typer.Exit
    return False


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version and end.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Tell on stderr what is begun and ended.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="The same in detail, and where an error arose, as a traceback.")
    ] = False,
) -> None:
    pass


for _command in COMMANDS:
    app.command(_command.__name__.rstrip("_").replace("_", "-"))(_command)  # import is a word of Python's

if __name__ == "__main__":
    main()
