"""The commands on the way to a finished run."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from prognoscope.commands.arguments import Cluster, Jobs, Overrides, StudyFile
from prognoscope.commands.shell import err
from prognoscope.commands.telling import (
    audit_and_tell,
    explain_and_tell,
    run_and_tell,
    say,
    show_table,
)
from prognoscope.commands.terminal import bar
from prognoscope.core.words import count, typed

CENSORED, SEVERAL = 0.2, 0.1  # of the demo's patients: more events teach more, second slides take as long to paint


def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put the cohort and the run.")] = Path("demo"),
    patients: Annotated[int, typer.Option(min=20, help="How many patients to simulate.")] = 240,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of every network.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the simulation and of the training.")] = 0,
    jobs: Jobs = 2,
) -> None:
    """Simulate a cohort with real slide files, run everything on it, and print the comparison.

    A fifth of the patients is censored, a tenth has several slides.

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
            world = partial(simulate_cohort, censoring=CENSORED, multi_slide=SEVERAL)
            world(folder, patients=patients, seed=seed, workers=jobs, progress=advance)
    study = Study.load(study_file, [f"training.epochs={epochs}", f"training.seed={seed}"])
    run_and_tell({"": study.plan(jobs=jobs)}, folder / "run")
    explain_and_tell(folder / "run", most=2, jobs=jobs)


def simulate(
    folder: Annotated[Path, typer.Argument(help="An empty folder, or one to be made.")],
    patients: Annotated[int, typer.Option(min=20, help="How many.")] = 120,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 0,
    features_only: Annotated[bool, typer.Option("--features-only", help="Draw embeddings, paint no slides.")] = False,
    bags: Annotated[
        tuple[int, int],
        typer.Option(metavar="FEWEST MOST", show_default="500 2000", help="Patches of a patient: two words."),
    ] = (500, 2000),
    without: Annotated[
        list[str], typer.Option(help="What tells nothing: slides, genes, covariates or interaction.")
    ] = [],  # noqa: B006
    competing: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of patients whom another event meets first, which competes.")
    ] = 0.0,
    prefix: Annotated[str, typer.Option(help="What ids begin with; another one for a second cohort.")] = "SIM",
    jobs: Jobs = 1,
) -> None:
    """Simulate a cohort whose truth is known: slides or embeddings, genes, outcomes, and the best possible answer.

    Example: `prognoscope simulate cohort --features-only --bags 500 2000`.
    """
    from prognoscope.simulation.cohort import simulate_cohort

    with bar(err, "Simulating patients") as advance:
        study_file = simulate_cohort(
            folder,
            patients=patients,
            seed=seed,
            features_only=features_only,
            bag_sizes=bags,
            without=without,
            competing=competing,
            prefix=prefix,
            workers=jobs,
            progress=advance,
        )
    say(f"Wrote {folder}. Next: prognoscope run {typed(study_file)}")


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
    todo = f"{todo}, answer {count(len(questions), 'question')} in it" if questions else todo
    say(f"Wrote {path}. {todo}, then: prognoscope check {typed(path)}")


def import_(
    portal: Annotated[str, typer.Argument(help="gdc, xena, cbioportal or tcga-cdr: who counts where sources differ.")],
    files: Annotated[list[Path], typer.Argument(help="Its files, or folders of them; those of other portals as well.")],
    to: Annotated[Path, typer.Option("--out", help="The folder of the cohort, to be made.")],
    cancer: Annotated[
        list[str], typer.Option("--cancer", help="Of a table of several: BLCA ..., or all. Repeatable.")
    ] = [],  # noqa: B006
    groups: Annotated[
        list[Path], typer.Option("--groups", help="A file of gene groups: GMT, or CSV with a column each. Repeatable.")
    ] = [],  # noqa: B006
    sample_type: Annotated[
        list[str], typer.Option("--sample-type", help="Codes, preferred first: 06 metastases; 01, 03, 09 by default.")
    ] = [],  # noqa: B006
    unit: Annotated[str, typer.Option(help="Of the GDC's STAR files: tpm, fpkm-uq, fpkm or counts.")] = "tpm",
    linear: Annotated[
        bool, typer.Option("--linear", help="Keep expression as it is, without log2(1 + value).")
    ] = False,
    all_genes: Annotated[bool, typer.Option("--all-genes", help="Also genes that code for no protein.")] = False,
    silent: Annotated[bool, typer.Option("--silent", help="Also mutations that change no protein.")] = False,
    kind: Annotated[
        list[str], typer.Option("--kind", help="FILE=rnaseq, cnv or mut, of a table that does not tell. Repeatable.")
    ] = [],  # noqa: B006
) -> None:
    """Turn files of portals into tables, an account of every choice, and the study that fits them.

    Example: `prognoscope import gdc clinical.tsv gdc_sample_sheet.tsv star/ TCGA-CDR.xlsx --cancer BLCA --out blca`.
    """
    from prognoscope.importers.barcodes import PRIMARY
    from prognoscope.importers.cohort import ImportSpec
    from prognoscope.study.start.from_portal import import_cohort

    spec = ImportSpec(
        portal.lower(),
        cancers=tuple(cancer),
        tissues=tuple(sample_type) or PRIMARY,
        unit=unit.lower(),
        logarithm=not linear,
        all_genes=all_genes,
        silent=silent,
        kinds=tuple(kind),
        groups=tuple(groups),
    )
    with bar(err, "Reading samples") as advance:
        imported, questions = import_cohort(files, to, spec, advance)
    show_table("Patients", imported.steps)
    for note in imported.notes:
        say(f"  {note}")
    if n := len(imported.conflicts):
        say(f"  {count(n, 'disagreement')} between or within sources: {to / 'conflicts.csv'}.")
    for question in questions:
        say(f"  ? {question}")
    say(f"Wrote {to}; its account is {to / 'account.md'}. Next: prognoscope check {typed(to / 'study.yaml')}")


def gene_sets(
    files: Annotated[
        list[Path], typer.Argument(help="ReactomePathways.gmt, goa_human.gaf and go-basic.obo, h.all.*.gmt, others.")
    ],
    to: Annotated[Path, typer.Option("--out", help="The GMT file to be made; its sources and coverage lie beside it.")],
    genes: Annotated[
        Path | None, typer.Option(help="Your gene table: what it measures of a group counts as the group's size.")
    ] = None,
    smallest: Annotated[int, typer.Option(min=1, help="Fewest genes of a group that is kept.")] = 10,
    largest: Annotated[int, typer.Option(min=1, help="Most genes of a group that is kept.")] = 500,
    aspect: Annotated[str, typer.Option(help="Of the Gene Ontology: process, function or component.")] = "process",
) -> None:
    """Turn gene sets that you downloaded into one file of gene groups, with sources, versions and licences beside it.

    Example: `prognoscope gene-sets ReactomePathways.gmt.zip --out groups.gmt --genes genes.csv`.
    """
    from prognoscope.importers.gene_sets import read_gene_sets, write_gene_sets

    sets = read_gene_sets(files, genes, smallest=smallest, largest=largest, aspect=aspect)
    written = write_gene_sets(to, sets)
    show_table("Gene sets", sets.sources.drop(columns="sha256"))
    for note in sets.notes:
        say(f"  {note}")
    say(f"Wrote {', '.join(map(str, written))}. Next, in the study: `omics: {{groups: {to}}}`")


def schema(folder: Annotated[Path, typer.Argument(help="Where the study file is.")] = Path()) -> None:
    """Write study.schema.json, by which editors complete a study file and mark what is wrong in it.

    Example: `prognoscope schema blca`.
    """
    from prognoscope.study.schema import write_schema

    path = write_schema(folder)
    say(f"Wrote {path}. The study file's first line: # yaml-language-server: $schema={path.name}")


def check(study: StudyFile, overrides: Overrides = []) -> None:  # noqa: B006 (Typer wants a list)
    """Audit the inputs before hours are spent: who is in, who is not and why, and what looks wrong.

    Example: `prognoscope check study.yaml`.
    """
    from prognoscope.study.plan import plans
    from prognoscope.study.study_file import StudyFile  # all that runs and draws would take seconds to load

    audit_and_tell(plans(StudyFile.load(study, overrides), elsewhere=True))


def doctor() -> None:
    """Describe the machine: torch and GPU, OpenSlide, memory, disk, extras.

    Example: `prognoscope doctor`.
    """
    from prognoscope.study.doctor import examine_machine

    show_table("This machine", examine_machine())


def run(
    study: StudyFile,
    folder: Annotated[Path | None, typer.Option("--out", help="The run folder; `run` beside the study file.")] = None,
    overrides: Overrides = [],  # noqa: B006
    final: Annotated[bool, typer.Option("--final", help="Train each method on all patients, too.")] = False,
    share: Annotated[
        bool, typer.Option("--share", help="Work on the run together with others who are started so, on any machine.")
    ] = False,
    jobs: Jobs = 1,
    cluster: Cluster = "",
) -> None:
    """Cross-validate every method of the study, evaluate, and write the report. Started again, it continues.

    Example: `prognoscope run study.yaml --jobs 2 --set protocol=paper --out paper`.
    """
    from prognoscope.study.plan import plans
    from prognoscope.study.study_file import StudyFile

    planned = plans(StudyFile.load(study, overrides), jobs=jobs, cluster=cluster, elsewhere=bool(cluster))
    run_and_tell(planned, folder or study.parent / "run", final=final, shares=share)


def slurm(
    study: StudyFile,
    folder: Annotated[Path | None, typer.Option("--out", help="The run folder; `run` beside the study file.")] = None,
    script: Annotated[Path | None, typer.Option(help="The script; RUN.sbatch beside the run folder.")] = None,
    tasks: Annotated[int, typer.Option(min=1, help="Of the array; each a machine, or a part of one.")] = 8,
    jobs: Annotated[int, typer.Option(min=1, help="CPUs of each task, and processes.")] = 1,
    gpus: Annotated[int, typer.Option(min=0, help="Of each task.")] = 0,
    memory: Annotated[str, typer.Option(help="Of each task: 16G.")] = "",
    time: Annotated[str, typer.Option(help="That a task may take: 1-00:00:00. Submitted again, it goes on.")] = "",
    partition: Annotated[str, typer.Option(help="Of the cluster.")] = "",
    account: Annotated[str, typer.Option(help="That pays.")] = "",
    overrides: Overrides = [],  # noqa: B006
    final: Annotated[bool, typer.Option("--final", help="Train each method on all patients, too.")] = False,
) -> None:
    """Check a study and write an array script for Slurm, whose tasks share the slides and folds of one run.

    Example: `prognoscope slurm study.yaml --tasks 16 --memory 16G --time 12:00:00`, then `sbatch run.sbatch`.
    """
    from prognoscope.study.endpoints import plans_by_run
    from prognoscope.study.plan import plans
    from prognoscope.study.slurm import SlurmSpec, write_script
    from prognoscope.study.study_file import StudyFile

    planned = plans(StudyFile.load(study, overrides), elsewhere=True)
    audit_and_tell(planned)
    folder = folder or study.parent / "run"
    for name, plan in planned.items():
        plans_by_run(plan, folder / f"endpoint_{name}" if name else folder)
    options = [word for each in overrides for word in ("--set", each)] + ["--final"] * final
    spec = SlurmSpec(tasks, jobs, gpus, memory, time, partition, account)
    path = write_script(script or folder.with_name(f"{folder.name}.sbatch"), study, folder, spec, options)
    trainings = sum(len(each.methods) * len(each.splits) * each.study.spec.seeds for each in planned.values())
    say(f"Wrote {path}: {count(tasks, 'task')} for {count(trainings, 'training')}. Next: sbatch {typed(path)}")
