"""What worker processes do in tests: each imports the file of its function, and this one imports little."""

import os
import signal
import time


def die_on_abmil(job, on_epoch=None) -> None:
    if job.method.name == "abmil":
        os.kill(os.getpid(), signal.SIGKILL)
    job.files.folder.mkdir(parents=True, exist_ok=True)
    job.files.predictions.write_text("done")


def tell_slowly(job, on_epoch) -> None:
    job.files.folder.mkdir(parents=True, exist_ok=True)
    for epoch in range(1, 6):
        time.sleep(0.7 if epoch == 1 else 0.3)  # what is told of a worker is looked at twice a second
        on_epoch(epoch, 9)
