"""The commands that read finished runs, and the table of methods."""

from pathlib import Path
from typing import Annotated

import typer

from prognoscope.analysis.epoch_words import WORDS, At
from prognoscope.commands.arguments import Cluster, Jobs, RunFolder, RunOrSeeds
from prognoscope.commands.telling import explain_and_tell, say, show_rows, show_table, tell_genes
from prognoscope.core.errors import InputError
from prognoscope.core.words import listed, typed


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="One or more run folders, or folders of seeds; a study's name is its cohort.")
    ],
    metric: Annotated[
        str, typer.Option(help="A metric of metrics.csv, log_rank_p, gray_p or hazard_ratio.")
    ] = "c_index",
    at: Annotated[At | None, typer.Option(help="Which epoch counts; by default the one that each run chose.")] = None,
    ddof: Annotated[
        int | None, typer.Option(min=0, max=1, help="Of the SD over folds: divide by folds - ddof; by the protocol.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", help="A folder for HTML, CSV, Markdown, LaTeX and SVG.")] = None,
    mixed: Annotated[bool, typer.Option("--mixed", help="Let protocols and folds differ, in columns apart.")] = False,
    published: Annotated[bool, typer.Option("--published", help="Set the papers' C-indices beside ours.")] = False,
    cohort: Annotated[str | None, typer.Option(help="Whose published values, if no study name tells.")] = None,
    ablations: Annotated[bool, typer.Option("--ablations", help="The papers' ablation tables instead.")] = False,
    sweeps: Annotated[bool, typer.Option("--sweeps", help="Methods by the settings that were varied instead.")] = False,
) -> None:
    """The table a paper prints: methods by cohort, with paired tests. Seeds and cohorts of several runs combine.

    Example: `prognoscope compare blca/run luad/run --published --out comparison`.
    """
    from prognoscope.report.comparison_page import write_comparison
    from prognoscope.report.comparison_text import sentences_of, summary_table, terminal_table
    from prognoscope.runs.seeds import runs_in
    from prognoscope.study.comparing import compare_runs

    if ablations and sweeps:
        raise InputError("--ablations and --sweeps are tables of their own. Ask for one at a time.")
    part = "ablations" if ablations else "sweeps" if sweeps else None
    runs = [each for run in runs for each in runs_in(run)]
    asked = {"metric": metric, "at": at, "ddof": ddof, "mixed": mixed, "published": published, "cohort": cohort}
    found = compare_runs(runs, part, **asked)
    is_plain = len(runs) == 1 and not published and part is None
    spread = "" if is_plain else f" ± SD (ddof {found.ddof})"
    over = f"mean over folds{spread}" if found.is_over_folds else "of all held-out patients"
    title = f"{metric}{f' at {WORDS[at]}' if at else ''}, {over}"
    show_table(title, summary_table(found) if is_plain else terminal_table(found))
    if to is None and len(found.pairs):
        show_table("Paired differences", found.pairs.drop(columns="column") if is_plain else found.pairs)
    for note in sentences_of(found, marked=not is_plain):
        say(note)
    for path in write_comparison(found, to) if to is not None else ():
        say(f"Wrote {path}")


def optimism(
    study: Annotated[Path, typer.Argument(help="A study file, or a run folder.")],
    run: Annotated[Path | None, typer.Option(help="The study's run folder; `run` beside the study file.")] = None,
    to: Annotated[Path | None, typer.Option("--out", help="Where to write; the run folder by default.")] = None,
) -> None:
    """What choosing the best epoch on the reported fold would have added, beside the same for pure noise.

    Example: `prognoscope optimism study.yaml`.
    """
    from prognoscope.analysis.optimism_table import optimism_again
    from prognoscope.report.sections.epoch_choice import choice_content, write_choice
    from prognoscope.runs.read import open_finished

    found = open_finished(run or (study if study.is_dir() else study.parent / "run"))
    table = optimism_again(found)
    written = write_choice(found, table, to or found.folder)
    content = choice_content(found, table)
    show_rows("C-index at three choices of the epoch", content["rows"])
    for sentence in (content["meaning"], content["note"]):
        say(sentence)
    for path in written:
        say(f"Wrote {path}")


def genes(
    paths: Annotated[list[Path], typer.Argument(help="Run folders, or study files, of whose tables it is computed.")],
    to: Annotated[Path | None, typer.Option("--out", help="A folder for CSV and SVG.")] = None,
) -> None:
    """Genes of each group before and after they were chosen, and how well they are told from slides, by cohort.

    Example: `prognoscope genes blca/run luad/run --out genes`, or `prognoscope genes study.yaml` before any run.
    """
    tell_genes(paths, to)


def explain(
    run: RunFolder,
    patient: Annotated[list[str], typer.Option("--patient", help="Whom to explain; may be given again.")] = [],  # noqa: B006
    everybody: Annotated[bool, typer.Option("--all", help="Every patient.")] = False,
    most: Annotated[
        int | None, typer.Option(min=1, help="How many patients of each method: those of highest and lowest risk; 6.")
    ] = None,
    method: Annotated[list[str], typer.Option("--method", help="Which methods; all by default.")] = [],  # noqa: B006
    drawn: Annotated[list[str], typer.Option("--map", help="Which maps to draw; all by default.")] = [],  # noqa: B006
    pictures: Annotated[
        str | None,
        typer.Option(
            help="Of each map: all (PNG, SVG, OME-TIFF, GeoJSON, patches), png, none; png from 9 patients on."
        ),
    ] = None,
    jobs: Jobs = 1,
    cluster: Cluster = "",
) -> None:
    """What predictions rest on: maps of patches, gene scores, what each modality adds, and how faithful that is.

    Example: `prognoscope explain run --most 10` or `prognoscope explain run --patient P001 --method abmil`.
    """
    from prognoscope.study.explain import MOST

    if sum([bool(patient), everybody, most is not None]) > 1:
        raise typer.BadParameter("give one of --patient, --all and --most")
    whom = {"patients": patient, "most": None if everybody else most or MOST}
    explain_and_tell(run, methods=method, maps=drawn, pictures=pictures, jobs=jobs, cluster=cluster, **whom)


def report(run: RunOrSeeds) -> None:
    """Draw the figures and write report.html again from a finished run.

    Example: `prognoscope report run`.
    """
    from prognoscope.study.seeds import report_again

    for page in report_again(run):
        say(f"Wrote {page}")


def figures(
    runs: Annotated[list[Path], typer.Argument(help="One or more run folders; a study's name is its cohort.")],
    to: Annotated[Path, typer.Option("--out", help="The folder to write to.")],
    figure: Annotated[str, typer.Option(help="Which figure of the reports; survival: Kaplan-Meier.")] = "survival",
    method: Annotated[list[str], typer.Option("--method", help="Which methods; all by default.")] = [],  # noqa: B006
    panel: Annotated[bool, typer.Option("--panel", help="All cohorts in one file, side by side.")] = False,
    ending: Annotated[str, typer.Option("--format", help="svg, pdf or png.")] = "svg",
) -> None:
    """Figures of finished runs as files for a paper, one by one or as a panel over cohorts.

    Example: `prognoscope figures blca/run luad/run --method mcti --panel --format pdf --out panel`.
    """
    from prognoscope.report.panels import write_figures
    from prognoscope.runs.read import open_finished

    found = [open_finished(run) for run in runs]
    for path in write_figures(found, to, figure=figure, methods=method, is_panel=panel, ending=ending):
        say(f"Wrote {path}")


def view(
    run: RunOrSeeds,
    host: Annotated[str, typer.Option(help="Where to listen; elsewhere a token is asked for.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="By default 8765, or a free one.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, open nothing.")] = False,
    slides: Annotated[Path | None, typer.Option(help="Where the slides lie now, if they were moved.")] = None,
) -> None:
    """Look at slides, maps and patients of a run in a browser, on this machine alone. Ctrl-C ends it.

    Example: `prognoscope view run`.
    """
    from prognoscope.runs.seeds import runs_in, several_of
    from prognoscope.viewer.serve import open_viewer

    shown, *others = runs_in(run)
    serving = open_viewer(shown, host=host, port=port, slides=slides)
    if others:
        names = listed([other.relative_to(run).as_posix() for other in others])
        this = f"This is {shown.relative_to(run)}; {names}: `prognoscope view {typed(others[0])}`."
        say(f"{run} holds runs {several_of(run)}. {this}")
    say(f"Open {serving.url} in a browser. Ctrl-C ends it.")
    serving.run(in_browser=not no_browser)


def methods(
    to: Annotated[Path | None, typer.Option("--out", help="A Markdown file for all that is known of them.")] = None,
) -> None:
    """The table of methods: what each needs, its size, its paper.

    Example: `prognoscope methods --out methods.md`.
    """
    if to is None:
        from prognoscope.study.methods_table import methods_table  # without torch, which the page takes

        show_table("Methods", methods_table())
        return
    from prognoscope.core.files import need_ours, write_text
    from prognoscope.study.catalogue import INTRODUCTION, methods_page

    need_ours(to, INTRODUCTION)
    write_text(to, methods_page())
    say(f"Wrote {to}.")
