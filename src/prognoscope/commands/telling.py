"""What commands print of what they did; where nobody prints, Python does the same in silence."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from prognoscope.commands.shell import err, is_debugging, out
from prognoscope.commands.terminal import RunBar, bar, print_table
from prognoscope.core.errors import InputError
from prognoscope.core.words import count

if TYPE_CHECKING:
    from prognoscope.features.extract import ExtractionReport
    from prognoscope.study.clock import Standing
    from prognoscope.study.plan import Plan
    from prognoscope.study.run import Finished


def extract_and_tell(
    start: "Callable[[Callable[[int, int], None]], ExtractionReport]", *, is_asked: bool = True
) -> "ExtractionReport":
    with bar(err, "Slides") as advance:
        result = start(advance)
    if is_asked or result.done or result.failed:
        done, already = len(result.done), len(result.already)
        say(f"Embeddings: {done} slides now, {already} before, {len(result.failed)} failed.")
    if spent := result.spent.told():
        say(f"  {spent}")
    for note in result.notes:
        say(f"  {note}")
    tell_left_out(result.failed)
    return result


def tell_left_out(failed: Mapping[str, str]) -> None:
    """Print why each slide was left out."""
    for slide, reason in failed.items():
        err.print(f"[yellow]left out:[/] {escape(slide)}: {escape(reason)}", soft_wrap=True, highlight=False)


def tell_genes(paths: Sequence[Path], to: Path | None) -> None:
    """Print the lengths of gene groups of runs and studies; with a folder, write them and how well genes are told."""
    from prognoscope.report.sections.told_genes import length_rows, write_told
    from prognoscope.study.gene_lengths import lengths_of

    runs, lengths = lengths_of(paths)
    show_rows("Genes of each group, means over folds", length_rows(lengths))
    for path in write_told(runs, lengths, to) if to is not None else ():
        say(f"Wrote {path}")


def run_and_tell(plans: "Mapping[str, Plan]", folder: Path, *, final: bool = False, shares: bool = False) -> None:
    """Run the plan of each endpoint, or the only one, with all seeds of the study, and print what came of it.

    Args:
        plans: As `study.plan.plans` makes them.
        final: Train each method on all patients, too.
        shares: Other processes may do the same, each fold is done by one of them.

    Raises:
        Exit: A fold failed.
    """
    spec = next(iter(plans.values())).study.spec
    over = [] if "" in plans else [f"{len(plans)} endpoints"]
    over += [f"{spec.seeds} seeds"] if spec.seeds > 1 else []
    do = partial(_run_one, final=final, shares=shares)
    if not over:
        finished = [do(plans[""], folder)]
    else:
        from prognoscope.report.comparison_text import sentences_of, terminal_table
        from prognoscope.study.endpoints import run_endpoints
        from prognoscope.study.seeds import run_seeds, write_seeds

        if "" in plans:
            finished = run_seeds(plans[""], folder, do)
        else:
            finished = [each for found in run_endpoints(plans, folder, do).values() for each in found]
        for found, page in write_seeds(folder, [each.folder for each in finished], draws=spec.evaluation.draws):
            show_table(f"{found.kind} over {' and '.join(over)}", terminal_table(found))
            for note in sentences_of(found):
                say(note)
            say(f"Wrote {page}")
    failures = [failure for each in finished for failure in each.failures]
    for failure in failures:
        if is_debugging.get() and failure.trace:
            err.print(failure.trace, markup=False, highlight=False, soft_wrap=True)
        err.print(f"[bold red]failed:[/] {escape(failure.sentence)}", highlight=False, soft_wrap=True)
    if failures:
        err.print("Everything else is finished. The same command tries again what failed.")
        raise typer.Exit(1)


def _run_one(
    plan: "Plan",
    folder: Path,
    whole: "Callable[[Standing], Standing]" = lambda now: now,
    *,
    final: bool = False,
    shares: bool = False,
) -> "Finished":
    from prognoscope.study.gather import extract as extract_slides
    from prognoscope.study.run import run_plan

    def extraction(plan: "Plan") -> "ExtractionReport":
        with show.away():
            return extract_and_tell(lambda advance: extract_slides(plan, advance), is_asked=False)

    with RunBar(err) as show:
        how = {"extraction": extraction, "progress": lambda now: show(whole(now))}
        finished = run_plan(plan, folder, final=final, shares=shares, **how)
    title, table = finished.printed()
    show_table(title, table)
    for method, rows in finished.ablations().items():
        show_table(f"Ablations of {method}", rows)
    for sweep, rows in finished.sweeps().items():
        show_table(sweep, rows)
    for note in (*finished.warnings(), *finished.notes):
        say(note)
    say(f"Report: {finished.report}")
    return finished


def audit_and_tell(plans: "Mapping[str, Plan]") -> None:
    """Print the audit of each plan, what several endpoints share once.

    Raises:
        InputError: A run would stop when it comes to the slides.
    """
    from prognoscope.study.audit import audit

    audits = {name: audit(plan) for name, plan in plans.items()}
    shown = set[str]()
    for name, found in audits.items():
        of = f" ({name})" if name else ""
        show_table(f"Patients{of}", found.account)
        for title, table in found.tables.items():
            is_shared = all(each.tables.get(title, table[:0]).equals(table) for each in audits.values())
            if not is_shared or title not in shown:
                show_table(title if is_shared else f"{title}{of}", table)
        for note in found.notes:
            if note not in shown:
                say(f"  {note}")
        for warning in found.warnings:
            if warning not in shown:
                out.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True, highlight=False)
        shown |= {*found.tables, *found.notes, *found.warnings}
        if found.stop:
            raise InputError(found.stop)
    has_warnings = any(found.warnings for found in audits.values())
    out.print("Ready to run, with the warnings above." if has_warnings else "[green]Ready to run.[/]")


def say(text: str) -> None:
    out.print(escape(text), soft_wrap=True, highlight=False)


def show_table(title: str, table) -> None:
    print_table(out, title, table)


def explain_and_tell(run: Path, **asked: Any) -> None:
    """Explain patients of a run, draw its report again, and print where all lies and how far maps can be believed.

    Args:
        asked: See `study.explain.explain_run`.
    """
    from prognoscope.analysis.faithfulness_table import faithfulness_table
    from prognoscope.report.page import write_report
    from prognoscope.study.explain import explain_run

    with bar(err, "Explaining patients") as advance:
        kept = explain_run(run, progress=advance, **asked)
    table = faithfulness_table(kept)
    if len(table):
        show_table("Do the maps say what the models do? Means over patients, in log risk", table)
    for note in dict.fromkeys(note for each in kept for note in each.about.notes):
        say(f"  {note}")
    for folder in dict.fromkeys(each.files.folder.parent for each in kept):
        many = sum(each.files.folder.parent == folder for each in kept)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        say(f"Wrote {folder}: {count(many, 'patient')}, {size / 1e6:.1f} MB.")
    say(f"Report: {write_report(run)}")


def show_rows(title: str, rows: Sequence[Sequence[str]]) -> None:
    """The same of rows of text, the first of them the header."""
    import pandas as pd

    show_table(title, pd.DataFrame(rows[1:], columns=list(rows[0])))
