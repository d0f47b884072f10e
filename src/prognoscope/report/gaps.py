"""What a run lacks that a report can do without, in sentences."""

from prognoscope.core.errors import some
from prognoscope.runs.read import Run
from prognoscope.runs.tables import ACCOUNT, COMPARISON, SPLITS


def gaps_of(run: Run) -> list[str]:
    """A sentence for everything that is not there: files, failed folds, folds without predictions.

    Neither ablations nor the other tables of particular studies are missed: a run may have none.
    """
    files, gaps = run.files, []
    if not files.provenance.is_file():
        gaps.append(f"{files.provenance.name} is absent, so versions, seed and command are not known.")
    gaps += [each.sentence for each in run.provenance.failed]
    gaps += [f"{name} has no predictions, so it is left out." for name in run.found if name not in run.methods]
    for path, table in ((files.account, ACCOUNT), (files.splits, SPLITS), (files.comparison, COMPARISON)):
        if not path.is_file():
            gaps.append(f"{table.what}, {path.name}, is absent.")
    for name, method in run.methods.items():
        if missing := [fold for fold in run.fold_numbers if fold not in method.tested]:
            gaps.append(f"{name} has no predictions for fold {some(missing)}; its numbers rest on the other folds.")
    return gaps
