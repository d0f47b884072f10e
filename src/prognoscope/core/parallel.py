"""One function over many items, here or on a cluster."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_many(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int = 1,
    threads: int = 1,
    retries: int = 3,
) -> Iterator[tuple[Item, Result]]:
    """Each item with its result, as they are finished; in order with one worker.

    Args:
        function: A module's own function, because it travels to the workers by name.
        workers: Processes; 1 works here, without another process.
        threads: Of each worker's numerical libraries, so that workers do not fight for cores.
        retries: How often what a dying worker took down is tried again in a new pool.

    Raises:
        BrokenExecutor: Workers keep dying, for example for want of memory.
        Exception: Whatever `function` raised first; results that were finished have been handed out by then.
    """
    if workers == 1:
        for item in items:
            yield item, function(item)
        return
    left = dict(enumerate(items))
    while left:
        # "spawn", because a fork after torch has used threads hangs
        spawn = multiprocessing.get_context("spawn")
        with (
            _threads_of_children(threads),
            ProcessPoolExecutor(min(workers, len(left)), mp_context=spawn, initializer=_end_with_parent) as pool,
        ):
            futures = {pool.submit(function, item): i for i, item in left.items()}
            try:
                for future in as_completed(futures):
                    result = future.result()
                    yield left.pop(futures[future]), result
            except BrokenExecutor:
                retries -= 1
                if retries < 0:
                    raise
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


@contextmanager
def _threads_of_children(threads: int) -> Iterator[None]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _end_with_parent() -> None:
    """Let this worker end when the process that started it is killed; it would wait for items forever."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
