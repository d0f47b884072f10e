"""One function over many items, here or on a cluster."""

import importlib.util
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from prognoscope.core.errors import InputError, UnwritableError
from prognoscope.core.faults import TOO_MANY
from prognoscope.core.stopping import Stopped, leave_when_asked, stopping_when_asked

Item = TypeVar("Item")
Result = TypeVar("Result")
PAUSE_S = 0.5  # between two calls of `on_wait`
LAST_WORDS_S = 5.0  # that workers have to end in when everything is stopped
ANSWER_S = 5.0  # in which a cluster answers
LOST_MACHINES = 2  # that an item survives on a cluster, where it may be the machine's fault


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where else than here: machines that Ray has joined."""

    address: str  # host:port, ray://host:port, auto; or "local", for as many processes as this machine has cores
    shared: Path  # what all of its machines must see under this path
    gpus: int = 0  # that each item needs


def run_many(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int = 1,
    threads: int = 1,
    retries: int = 3,
    lost: Callable[[Item], Result] | None = None,
    on_wait: Callable[[Sequence[Item]], None] | None = None,
    cluster: Cluster | None = None,
) -> Iterator[tuple[Item, Result]]:
    """Each item with its result, as they are finished; begun in order, and in order with one worker.

    When a worker dies, what ran then is tried again. With `lost`, each of those runs alone, so that only the item that
    is to blame is lost and the others are finished.

    Args:
        function: A module's own function, because it travels to the workers by name.
        workers: Processes; 1 works here, without another process.
        threads: Of each worker's numerical libraries, so that workers do not fight for cores.
        retries: How many deaths are borne: of workers in all, or with `lost` beside each item.
        lost: Gives what is handed out for an item beside which workers keep dying; by default that ends everything.
        on_wait: Called here about twice a second with the items that are worked on; only with several workers.
        cluster: Takes the place of the workers: as many items at once as it has room for.

    Raises:
        BrokenExecutor: Workers keep dying, for example for want of memory, and there is no `lost`.
        InputError: Nothing answers at the cluster's address, or it has no room for an item.
        Exception: Whatever `function` raised first; results that were finished have been handed out by then.
    """
    if cluster is not None:
        need_cluster(cluster.address, workers)
        yield from _run_on(cluster, function, items, threads, max(retries, LOST_MACHINES), lost, on_wait)
        return
    if workers == 1:
        for item in items:
            yield item, function(item)
        return
    waiting, suspects, deaths = list(range(len(items))), [], Counter()
    while waiting or suspects:
        is_alone = bool(suspects)
        left = [suspects.pop(0)] if is_alone else waiting
        busy: dict[Future, int] = {}
        try:
            with _pool(_module_of(function), min(workers, len(left)), threads) as pool:
                while left or busy:
                    while left and len(busy) < workers:
                        busy[pool.submit(_worked, function, items[left[0]])] = left[0]
                        del left[0]
                    done, _ = wait(busy, PAUSE_S if on_wait else None, FIRST_COMPLETED)
                    for future in sorted(done, key=lambda each: each.exception() is not None):  # results first
                        result = future.result()
                        yield items[busy.pop(future)], result
                    if on_wait is not None:
                        on_wait([items[i] for i in busy.values()])
        except BrokenExecutor:
            down = sorted(busy.values())
            deaths.update(down)
            if lost is None:
                retries -= 1
                if retries < 0:
                    raise
                waiting = down + waiting
            elif is_alone and deaths[down[0]] > retries:
                yield items[down[0]], lost(items[down[0]])
            else:
                suspects += down


@contextmanager
def _pool(module: str, workers: int, threads: int) -> Iterator[ProcessPoolExecutor]:
    # Not "fork", which hangs after torch has used threads. A server that has imported the module and done nothing else
    # can be forked, in a hundredth of the time of the imports. It keeps the threads it was started with, so is for one.
    is_forked = threads == 1 and sys.platform == "linux"  # elsewhere the system's own libraries do not bear it
    context = multiprocessing.get_context("forkserver" if is_forked else "spawn")
    context.set_forkserver_preload([module])
    if is_forked:  # whoever is asked for before the server has imported may find this process gone, and would tell
        begun = multiprocessing.get_context("forkserver").Process(target=os.getpid)
        begun.start()
        begun.join()
    others = set(multiprocessing.active_children())
    with _threads_of_children(threads), _executor(workers, context) as pool:
        sending: Any = getattr(pool, "_call_queue")  # noqa: B009 - which typeshed does not know
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _end([each for each in multiprocessing.active_children() if each not in others])
            if sys.version_info < (3, 11, 5):  # there, this process would for ever wait for an ended one to read
                sending._reader.close()
            raise


def _executor(workers: int, context: BaseContext) -> ProcessPoolExecutor:
    try:
        return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)
    except OSError as cause:  # of a semaphore, which is a file in /dev/shm on Linux
        if cause.errno in TOO_MANY:
            raise
        reason = (cause.strerror or str(cause)).lower()
        raise UnwritableError(
            f"Processes cannot be started side by side, for they can share no memory ({reason}). Make room in /dev/shm "
            "and let it be written to, or leave --jobs out."
        ) from cause


def _module_of(function: Callable[..., object]) -> str:
    """Where a function is from; also one with some of its arguments given."""
    return getattr(function, "func", function).__module__


def _end(children: Sequence[BaseProcess]) -> None:
    """Ask processes to end, so that they leave nothing half written, and kill those that do not listen."""
    for child in children:
        child.terminate()
    deadline = time.monotonic() + LAST_WORDS_S
    for child in children:
        child.join(max(0.0, deadline - time.monotonic()))
    for child in children:
        child.kill()


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


def _begin_worker() -> None:
    """Let a worker end when it is asked to, or when the process that started it is killed; Ctrl-C is for that one.

    Before its first item it imports what that needs, in which an exception would be told with a traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_when_asked()
    parent = multiprocessing.parent_process()
    assert parent is not None  # this runs in workers alone

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _worked(function: Callable[[Item], Result], item: Item) -> Result:
    """The result of an item in a worker, which dies when it is asked to end instead of handing that out as a result."""
    try:
        with stopping_when_asked():
            return function(item)
    except Stopped as stopped:
        os._exit(int(stopped.code or 1))


def _run_on(
    cluster: Cluster,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    threads: int,
    retries: int,
    lost: Callable[[Item], Result] | None,
    on_wait: Callable[[Sequence[Item]], None] | None,
) -> Iterator[tuple[Item, Result]]:
    with _joined(cluster) as ray:
        sent = ray.put(list(items))  # once to each machine, whatever items share
        options = {"num_cpus": threads, "num_gpus": cluster.gpus, "max_retries": 0, "scheduling_strategy": "SPREAD"}
        work = ray.remote(_worked_there).options(**options)
        waiting, deaths = list(range(len(items))), Counter()
        busy: dict[Any, int] = {}
        try:
            while waiting or busy:
                room = _room([each["Resources"] for each in ray.nodes() if each["Alive"]], threads, cluster.gpus)
                while waiting and len(busy) < room:
                    busy[work.remote(function, cluster.shared, sent, waiting[0])] = waiting[0]
                    del waiting[0]
                done, _ = ray.wait(list(busy), timeout=PAUSE_S)
                for reference in done:
                    number = busy.pop(reference)
                    try:
                        result = ray.get(reference)
                    except ray.exceptions.RayTaskError as error:
                        raise error.cause from None
                    except ray.exceptions.RayError:  # the process, or its machine, is gone
                        deaths[number] += 1
                        if deaths[number] <= retries:
                            waiting.insert(0, number)
                            continue
                        if lost is None:
                            raise BrokenExecutor(f"item {number} died {retries + 1} times") from None
                        result = lost(items[number])
                    yield items[number], result
                if on_wait is not None:
                    on_wait([items[i] for i in busy.values()])
        finally:
            for reference in busy:
                with suppress(ray.exceptions.RayError):
                    ray.cancel(reference, force=True)


def need_cluster(address: str, workers: int = 1) -> None:
    """Refuse an address at which nobody answers, before anything is done; Ray itself would try for minutes.

    Raises:
        InputError: Nobody does, Ray is not installed, or workers are asked for besides.
    """
    if workers > 1:
        raise InputError("How many items a cluster works on at once, its machines decide. Leave --jobs out.")
    if importlib.util.find_spec("ray") is None:
        raise InputError("--cluster needs Ray: pip install 'prognoscope[cluster]', on every machine of it.")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address in ("local", "auto"):
        return
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except (OSError, ValueError) as cause:
        raise _unanswered(address, cause) from None


def _unanswered(address: str, cause: Exception) -> InputError:
    return InputError(
        f"No Ray cluster answers at {address} ({cause}). Start one by `ray start --head` there and `ray start "
        "--address HOST:6379` on the others, or say `--cluster local`."
    )


@contextmanager
def _joined(cluster: Cluster) -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    import ray

    own = {"num_cpus": os.cpu_count(), "include_dashboard": False} if cluster.address == "local" else {}
    answer = signal.getsignal(signal.SIGTERM)  # which Ray replaces
    try:
        ray.init(address=cluster.address, log_to_driver=False, configure_logging=False, **own)
    except (ConnectionError, RuntimeError, ValueError) as cause:
        raise _unanswered(cluster.address, cause) from None
    except SystemExit as ended:  # Ray's own answer to SIGTERM, meanwhile
        raise Stopped(128 + signal.SIGTERM) from ended
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, answer)
    try:
        yield ray
    finally:
        ray.shutdown()


def _room(machines: Sequence[Mapping[str, float]], threads: int, gpus: int) -> int:
    """How many items the machines of a cluster, as they are now, work on at once."""
    room = 0
    for each in machines:
        of_cpus = int(each.get("CPU", 0)) // threads
        room += min(of_cpus, int(each.get("GPU", 0)) // gpus) if gpus else of_cpus
    if not room:
        and_gpus = f" and {gpus} GPU" if gpus else ""
        raise InputError(f"The Ray cluster has no machine with {threads} CPU{and_gpus} for an item. Let one join it.")
    return room


def _worked_there(function: Callable[[Item], Result], shared: Path, items: Sequence[Item], number: int) -> Result:
    if not shared.is_dir():
        raise InputError(
            f"{socket.gethostname()} does not see {shared}. The study's files and the run must lie where all machines "
            "of the cluster see them under the same path."
        )
    return function(items[number])
