"""Train and test one fold of one method, and leave its files."""

import shutil
from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.cohort.dataset import PatientDataset
from prognoscope.core.errors import PrognoscopeError, TrainingError
from prognoscope.runs.components import write_components
from prognoscope.runs.layout import FoldFiles
from prognoscope.runs.manifest import seal
from prognoscope.runs.tables import COSTS, GENES, PREDICTIONS, RECONSTRUCTION, RECONSTRUCTION_PATIENTS, TRAINING_RISKS
from prognoscope.runs.training_summary import write_summary
from prognoscope.training.cost import Spent, cost_table, spending
from prognoscope.training.job import FoldJob
from prognoscope.training.predict import Predicted
from prognoscope.training.reconstruction import reconstruction_by_patient, reconstruction_table
from prognoscope.training.search import chosen_job
from prognoscope.training.spec import fixed_threads
from prognoscope.training.summary import summary_of
from prognoscope.training.trained import Trained


def run_fold(job: FoldJob, on_epoch: Callable[[int, int], None] | None = None) -> FoldFiles:
    """Train on the fold's training part, choose on its validation part, test once; writes the fold's files.

    Raises:
        PrognoscopeError: The training cannot go on; the message names the method and the fold, and no file is left.
    """
    if job.is_done:
        return job.files
    try:
        with fixed_threads(job.spec):
            _train_and_test(job, on_epoch)
    except PrognoscopeError as cause:
        if isinstance(cause, TrainingError):  # it would only fail again from there
            job.files.state.unlink(missing_ok=True)
        raise type(cause)(f"{job.label}: {cause}") from cause
    seal(job.files.folder, job.files.kept, job.made_of)
    job.files.state.unlink(missing_ok=True)
    shutil.rmtree(job.files.members, ignore_errors=True)  # the model has them
    return job.files


def _train_and_test(job: FoldJob, on_epoch: Callable[[int, int], None] | None) -> None:
    begun = (job.files.state, job.files.trials, job.files.teacher.folder, job.files.members)
    is_whole = not any(each.exists() for each in begun)
    with spending(job.spec) as training:
        if job.search is not None:
            job, on_epoch = chosen_job(job, job.search, on_epoch)
        data, files = job.data(), job.files
        trained = Trained.fit(
            job.method, data, job.spec, metric=job.metric, files=files, about=job.notes, on_epoch=on_epoch
        )
    with spending(job.spec) as testing:
        test = data.dataset(data.test, trained.model.profile.uses)
        predicted = trained.predict_prepared(test)
    trained.save(files, data.test)
    genes = trained.preparation.genes
    if genes is not None:
        GENES.write(files.genes, genes.table)
    if predicted.genes and job.gene_metric is not None:
        table = reconstruction_table(predicted, test, trained.preparation.gene_groups, job.gene_metric)
        RECONSTRUCTION.write(files.reconstruction, table)
        by_patient = reconstruction_by_patient(predicted, test, trained.preparation.gene_groups, job.gene_metric)
        RECONSTRUCTION_PATIENTS.write(files.reconstruction_patients, by_patient)
    if predicted.components:
        write_components(files.components, predicted.components)
    months = trained.preparation.bins.told_at(float(data.cohort.take(data.learned).outcome.time.max()))
    PREDICTIONS.write(files.predictions, prediction_table(predicted, test, data.fold, months))
    keep_training(trained, data.dataset(data.learned, trained.model.profile.uses), files)
    COSTS.write(files.cost, cost_table(job, data, trained, training if is_whole else Spent(), testing))


def keep_training(trained: Trained, learned: PatientDataset, files: FoldFiles) -> None:
    """Write what a model says of the patients it learned from, and what they are like as a whole."""
    said = trained.predict_prepared(learned).prediction
    risks = {"patient_id": said.patients, "risk": said.risk}
    risks |= {f"S_{k}": survival for k, survival in enumerate(said.survival.T)}
    TRAINING_RISKS.write(files.training_risks, pd.DataFrame(risks))
    write_summary(files.summary, summary_of(learned))


def prediction_table(
    predicted: Predicted, dataset: PatientDataset, fold: int, months: Float[np.ndarray, " K"]
) -> pd.DataFrame:
    """One row a patient: risk, outcome, survival at the end of each bin, and subtype probabilities if there are any.

    Args:
        months: When each bin ends.
    """
    outcome, prediction = dataset.outcome, predicted.prediction
    table = pd.DataFrame({"patient_id": prediction.patients, "fold": fold, "risk": prediction.risk})
    table["time"], table["event"] = outcome.time, outcome.event.astype(int)
    if outcome.competing is not None:
        table["competing"] = outcome.competing.astype(int)
    for k in range(prediction.survival.shape[1]):
        table[f"S_{k}"] = prediction.survival[:, k]
    for k, month in enumerate(months):
        table[f"months_{k}"] = month
    if predicted.subtype is not None and dataset.target.subtype is not None:
        table["subtype"] = dataset.target.subtype.numpy()  # -1 where unknown
        for c in range(predicted.subtype.shape[1]):
            table[f"subtype_{c}"] = predicted.subtype[:, c]
    return table
