"""The commands: each a thin function over the Python API. Only they print; `shell.py` says how they end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from prognoscope import __version__
from prognoscope.analysis.epoch_words import WORDS, At
from prognoscope.core.errors import InputError
from prognoscope.core.words import count
from prognoscope.shell import err, out, run_command
from prognoscope.telling import explain_and_tell, extract_and_tell, run_and_tell, say, show_rows, show_table, tell_genes
from prognoscope.terminal import bar

app = typer.Typer(
    help="How long cancer patients live, predicted from slides, genes and follow-up, under one honest protocol.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
StudyFile = Annotated[Path, typer.Argument(help="The study's YAML file; `prognoscope init` writes one.")]
RunFolder = Annotated[Path, typer.Argument(help="A run folder, as `prognoscope run` makes it.")]
Overrides = Annotated[list[str], typer.Option("--set", help="Replace a setting: section.key=value. Repeatable.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes at once; the numbers do not depend on it.")]


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


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put the cohort and the run.")] = Path("demo"),
    patients: Annotated[int, typer.Option(min=20, help="How many patients to simulate.")] = 120,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of every network.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the simulation and of the training.")] = 0,
    jobs: Jobs = 2,
) -> None:
    """Simulate a cohort with real slide files, run everything on it, and print the comparison.

    Example: `prognoscope demo` or `prognoscope demo /tmp/demo --patients 60`.
    """
    from prognoscope.simulation.cohort import need_simulated, simulate_cohort
    from prognoscope.study.study import Study

    study_file = folder / "study.yaml"
    if study_file.exists():
        need_simulated(folder)
        say(f"Continuing in {folder}, which holds a simulated cohort already.")
    else:
        with bar(err, "Painting slides") as advance:
            simulate_cohort(folder, patients=patients, seed=seed, workers=jobs, progress=advance)
    study = Study.load(study_file, [f"training.epochs={epochs}", f"training.seed={seed}"])
    run_and_tell(study.plan(jobs=jobs), folder / "run")
    explain_and_tell(folder / "run", most=2, jobs=jobs)


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="An empty folder, or one to be made.")],
    patients: Annotated[int, typer.Option(min=20, help="How many.")] = 120,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 0,
    features_only: Annotated[bool, typer.Option("--features-only", help="Draw embeddings, paint no slides.")] = False,
    bags: Annotated[tuple[int, int], typer.Option(help="Fewest and most patches of a patient.")] = (500, 2000),
    jobs: Jobs = 1,
) -> None:
    """Simulate a cohort whose truth is known: slides or embeddings, genes, outcomes, and the best possible answer.

    Example: `prognoscope simulate cohort --features-only --patients 300 --bags 500 2000`.
    """
    from prognoscope.simulation.cohort import simulate_cohort

    with bar(err, "Simulating patients") as advance:
        study_file = simulate_cohort(
            folder,
            patients=patients,
            seed=seed,
            features_only=features_only,
            bag_sizes=bags,
            workers=jobs,
            progress=advance,
        )
    say(f"Wrote {folder}. Next: prognoscope run {study_file}")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write study.yaml.")] = Path(),
    paper: Annotated[str | None, typer.Option(help="Repeat its table: ghanet, cmta, ccl or mcti.")] = None,
    cohort: Annotated[str | None, typer.Option(help="Of the paper: blca, brca, gbmlgg ...")] = None,
    rows: Annotated[str | None, typer.Option(help="Of which of its tables: methods, ablations or sweeps.")] = None,
    data: Annotated[
        Path | None, typer.Option("--from", help="A folder with your files, to which the study fits.")
    ] = None,
) -> None:
    """Write a commented study.yaml to fill in, for a paper's table or for what lies in a folder, and its schema.

    Example: `prognoscope init blca`, `prognoscope init --paper ghanet --cohort ucec` or `prognoscope init --from data`.
    """
    from prognoscope.study.start.write import write_study_for

    path, questions = write_study_for(folder, paper=paper, cohort=cohort, rows=rows, data=data)
    for question in questions:
        say(f"  ? {question}")
    todo = "Fill in where your files are" if data is None else "Read it through"
    todo = f"{todo}, answer the {len(questions)} questions in it" if questions else todo
    say(f"Wrote {path}. {todo}, then: prognoscope check {path}")


@app.command()
def schema(folder: Annotated[Path, typer.Argument(help="Where the study file is.")] = Path()) -> None:
    """Write study.schema.json, by which editors complete a study file and mark what is wrong in it.

    Example: `prognoscope schema blca`.
    """
    from prognoscope.study.schema import write_schema

    path = write_schema(folder)
    say(f"Wrote {path}. The study file's first line: # yaml-language-server: $schema={path.name}")


@app.command()
def check(study: StudyFile, overrides: Overrides = []) -> None:  # noqa: B006 (Typer wants a list)
    """Audit the inputs before hours are spent: who is in, who is not and why, and what looks wrong.

    Example: `prognoscope check study.yaml`.
    """
    from prognoscope.study.audit import audit
    from prognoscope.study.plan import plan
    from prognoscope.study.study_file import StudyFile  # all that runs and draws would take seconds to load

    found = audit(plan(StudyFile.load(study, overrides), elsewhere=True))
    show_table("Patients", found.account)
    for title, table in found.tables.items():
        show_table(title, table)
    for note in found.notes:
        say(f"  {note}")
    for warning in found.warnings:
        out.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True, highlight=False)
    if found.stop:
        raise InputError(found.stop)
    out.print("[green]Ready to run.[/]" if not found.warnings else "Ready to run, with the warnings above.")


@app.command()
def doctor() -> None:
    """Describe the machine: torch and GPU, OpenSlide, memory, disk, extras.

    Example: `prognoscope doctor`.
    """
    from prognoscope.study.doctor import examine_machine

    show_table("This machine", examine_machine())


@app.command()
def extract(study: StudyFile, overrides: Overrides = [], jobs: Jobs = 1) -> None:  # noqa: B006
    """Turn slides into embeddings, one file a slide. Started again, it continues.

    Example: `prognoscope extract study.yaml --jobs 4`.
    """
    from prognoscope.study.study import Study

    loaded = Study.load(study, overrides)
    if extract_and_tell(lambda advance: loaded.extract(workers=jobs, progress=advance)).failed:
        raise typer.Exit(1)


@app.command()
def run(
    study: StudyFile,
    folder: Annotated[Path | None, typer.Option("--out", help="The run folder; `run` beside the study file.")] = None,
    overrides: Overrides = [],  # noqa: B006
    jobs: Jobs = 1,
) -> None:
    """Cross-validate every method of the study, evaluate, and write the report. Started again, it continues.

    Example: `prognoscope run study.yaml --jobs 2 --set protocol=paper --out paper`.
    """
    from prognoscope.study.study import Study

    run_and_tell(Study.load(study, overrides).plan(jobs=jobs), folder or study.parent / "run")


@app.command()
def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="One or more run folders, or folders of seeds; a study's name is its cohort.")
    ],
    metric: Annotated[str, typer.Option(help="A metric of metrics.csv, log_rank_p or hazard_ratio.")] = "c_index",
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
    from prognoscope.study.comparing import compare_runs
    from prognoscope.study.seeds import runs_in

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


@app.command()
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


@app.command()
def genes(
    paths: Annotated[list[Path], typer.Argument(help="Run folders, or study files, of whose tables it is computed.")],
    to: Annotated[Path | None, typer.Option("--out", help="A folder for CSV and SVG.")] = None,
) -> None:
    """Genes of each group before and after they were chosen, and how well they are told from slides, by cohort.

    Example: `prognoscope genes blca/run luad/run --out genes`, or `prognoscope genes study.yaml` before any run.
    """
    tell_genes(paths, to)


@app.command()
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


@app.command()
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
) -> None:
    """What predictions rest on: maps of patches, gene scores, what each modality adds, and how faithful that is.

    Example: `prognoscope explain run --most 10` or `prognoscope explain run --patient P001 --method abmil`.
    """
    from prognoscope.study.explain import MOST

    if sum([bool(patient), everybody, most is not None]) > 1:
        raise typer.BadParameter("give one of --patient, --all and --most")
    whom = {"patients": patient, "most": None if everybody else most or MOST}
    explain_and_tell(run, methods=method, maps=drawn, pictures=pictures, jobs=jobs, **whom)


@app.command()
def report(run: RunFolder) -> None:
    """Draw the figures and write report.html again from a finished run.

    Example: `prognoscope report run`.
    """
    from prognoscope.report.page import write_report

    say(f"Wrote {write_report(run)}")


@app.command()
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


@app.command()
def view(
    run: RunFolder,
    host: Annotated[str, typer.Option(help="Where to listen; elsewhere a token is asked for.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="By default 8765, or a free one.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, open nothing.")] = False,
    slides: Annotated[Path | None, typer.Option(help="Where the slides lie now, if they were moved.")] = None,
) -> None:
    """Look at slides, maps and patients of a run in a browser, on this machine alone. Ctrl-C ends it.

    Example: `prognoscope view run`.
    """
    from prognoscope.viewer.serve import open_viewer

    serving = open_viewer(run, host=host, port=port, slides=slides)
    say(f"Open {serving.url} in a browser. Ctrl-C ends it.")
    serving.run(in_browser=not no_browser)


@app.command()
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


if __name__ == "__main__":
    main()
