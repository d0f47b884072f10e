"""Any error as one sentence for whoever typed the command, and the exit code that goes with it."""

import errno
import traceback
from concurrent.futures import BrokenExecutor
from pathlib import Path

from prognoscope.core.errors import InputError, PrognoscopeError

BAD_INPUT, FAILURE = 2, 1  # exit codes
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
TOO_MANY = (errno.EMFILE, errno.ENFILE, errno.EAGAIN)
NO_MEMORY = (  # in lower case
    "allocate memory",  # torch on a CPU, and the system
    "not enough memory",  # on Windows
    "out of memory",  # CUDA
    "alloc_failed",  # its libraries
    "memory allocation failed",  # HDF5
    "bad_alloc",
    "failed to map segment",  # of a library that is loaded
)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
WRONG_PATH = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)


def describe(error: BaseException) -> tuple[str, int]:
    """What to tell the user, and the exit code: 2 for bad input, 1 for everything else.

    Errors that nobody raised on purpose are told with the place where they arose, because they may be our fault.
    """
    if isinstance(error, PrognoscopeError):
        return str(error), BAD_INPUT if isinstance(error, InputError) else FAILURE
    if isinstance(error, BrokenExecutor):
        return (
            "A worker process died, most likely for want of memory. What was finished is kept: start the same command "
            "again with fewer --jobs."
        ), FAILURE
    if is_out_of_memory(error):
        return (
            f"There was not enough memory ({_first_line(error)}). Use fewer --jobs, lower training.patches_per_pass, "
            "or see whether `ulimit -v` limits it; what was finished is kept."
        ), FAILURE
    if getattr(error, "errno", None) in TOO_MANY:
        return (
            f"The system allows no more open files or processes ({_first_line(error)}). Use fewer --jobs, or raise its "
            "limits with `ulimit -n` and `ulimit -u`; what was finished is kept."
        ), FAILURE
    if isinstance(error, OSError) and error.errno is not None:
        return _describe_os_error(error)
    return (
        f"Something failed that was not foreseen: {type(error).__name__}: {_first_line(error)} ({_place(error)}). "
        "Run the same command with --debug and report what it shows."
    ), FAILURE


def _describe_os_error(error: OSError) -> tuple[str, int]:
    path = "a file" if error.filename is None else str(error.filename)
    if error.errno in NO_ROOM:
        return (
            f"The disk is full, or {path} became larger than `ulimit -f` allows. Make room, or raise that limit, and "
            "start again."
        ), FAILURE
    if error.errno in NOT_ALLOWED:
        reason = (error.strerror or "not allowed").lower()
        return (
            f"{path} could not be read or written ({reason}). Change its permissions, or name another place.",
            FAILURE,
        )
    if error.errno in WRONG_PATH:
        return f"{path} cannot be used: {(error.strerror or '').lower()}. Correct the path.", BAD_INPUT
    return f"{path}: {error.strerror} (error {error.errno} of the system). Start the same command again.", FAILURE


def is_out_of_memory(error: BaseException) -> bool:
    """Also by torch's, CUDA's, HDF5's and the system's ways of saying so, which are plain errors by other names."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError | OSError | ValueError | ImportError) and any(
        words in said for words in NO_MEMORY
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300].rstrip(".") if lines else type(error).__name__


def _place(error: BaseException) -> str:
    """The innermost line of this package that the error went through; of whatever there is, if none."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "prognoscope" in Path(frame.filename).parts]
    if not frames:
        return "nowhere known"
    last = (ours or frames)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"
