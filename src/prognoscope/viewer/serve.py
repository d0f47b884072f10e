"""Start the viewer of a run: on this machine alone, or elsewhere behind a token."""

import os
import socket
import threading
import webbrowser
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prognoscope.core.errors import InputError, MissingFileError, PrognoscopeError
from prognoscope.runs.read import open_finished

INSTALL = 'pip install "prognoscope[viewer]"'
PORT = 8765  # that is tried first where none is named


@dataclass(slots=True)
class Serving:
    """A viewer that listens already.

    Args:
        app: What answers.
        listener: Where it listens.
        url: What to open, with the token where there is one.
    """

    app: Any  # ASGI
    listener: socket.socket
    url: str

    def run(self, *, in_browser: bool = False) -> None:
        """Answer until it is stopped, by Ctrl-C or a signal.

        Args:
            in_browser: Open the page in the user's browser, if there is one.
        """
        import uvicorn

        settings = uvicorn.Config(self.app, log_level="warning", access_log=False, ws="none", server_header=False)
        if in_browser:  # it waits for an answer, since the socket listens already
            threading.Thread(target=webbrowser.open, args=(self.url,), daemon=True).start()
        with suppress(KeyboardInterrupt):
            uvicorn.Server(settings).run(sockets=[self.listener])


def open_viewer(run: Path, *, host: str = "127.0.0.1", port: int | None = None, slides: Path | None = None) -> Serving:
    """Open a run and listen for a browser.

    Args:
        host: An address of this machine; one that others reach asks them for a token.
        port: By default 8765, or a free one where that is in use.
        slides: Where the slides lie now, if not where the run's study says.

    Raises:
        InputError: The run is not finished, the port is in use, the address is not of this machine, or the extra is
            not installed.
    """
    leaflet = _leaflet()
    if slides is not None and not slides.is_dir():
        raise MissingFileError(f"There is no folder {slides}. Name the folder of the slides with --slides.")
    from prognoscope.viewer.access import Guard, is_loopback, new_token
    from prognoscope.viewer.app import Viewer
    from prognoscope.viewer.facts import Facts

    facts = Facts(open_finished(run), slides)
    facts.about_run()  # a run that cannot be read says so now, and the first page is there at once
    listener = listener_at(host, port)
    threading.Thread(target=facts.warm, daemon=True).start()
    token = "" if is_loopback(host) else new_token()
    at = f"[{host}]" if ":" in host else host
    shown = f"http://{at}:{listener.getsockname()[1]}/" + (f"?token={token}" if token else "")
    return Serving(Guard(Viewer(facts, leaflet).app(), token), listener, shown)


def open_service(model: Path, *, host: str = "127.0.0.1", port: int | None = None) -> tuple[Serving, str]:
    """Load an exported model and listen for requests.

    Args:
        host: An address of this machine; one that others reach asks them for a token.
        port: By default 8765, or a free one where that is in use.

    Returns:
        The service, and the token that others need; "" on loopback.

    Raises:
        InputError: The folder is no exported model, the port is in use, the address is not of this machine, or the
            extra is not installed.
    """
    if missing := [name for name in ("starlette", "uvicorn") if find_spec(name) is None]:
        raise ViewerMissingError(f"Serving needs {missing[0]}, which is not installed. Install it: {INSTALL}")
    from prognoscope.viewer.access import is_loopback, new_token
    from prognoscope.viewer.model_service import ModelService

    token = "" if is_loopback(host) else new_token()
    service = ModelService(model, token)
    listener = listener_at(host, port)
    at = f"[{host}]" if ":" in host else host
    return Serving(service.app(), listener, f"http://{at}:{listener.getsockname()[1]}/"), token


def _leaflet() -> Path:
    """Leaflet lies in the wheel of nicegui, with Starlette and uvicorn among what it needs.

    Raises:
        PrognoscopeError: They are not installed.
    """
    found = {name: find_spec(name) for name in ("nicegui", "starlette", "uvicorn")}
    if missing := [name for name, spec in found.items() if spec is None]:
        raise ViewerMissingError(f"The viewer needs {missing[0]}, which is not installed. Install it: {INSTALL}")
    found_at = found["nicegui"]
    assert found_at is not None  # or it was named as lacking above
    place = Path(str(found_at.origin)).parent / "elements" / "leaflet" / "dist"
    if not (place / "index.js").is_file():
        raise ViewerMissingError(f"This version of nicegui has no Leaflet where it should be. Install: {INSTALL}")
    return place


class ViewerMissingError(PrognoscopeError, ImportError):
    """The extra is not installed."""


def listener_at(host: str, port: int | None) -> socket.socket:
    """A socket that listens.

    Raises:
        InputError: The port is in use, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if not _is_here(host, family):
        raise InputError(
            f"{host} is no address of this machine. Give --host one that it has, such as 127.0.0.1 or 0.0.0.0."
        )
    for each in (PORT, 0) if port is None else ():
        with suppress(OSError):
            return _bound(family, host, each)
    try:
        return _bound(family, host, port or 0)
    except PermissionError as cause:
        raise InputError(f"Port {port} may not be used by you. Give another with --port, such as {PORT}.") from cause
    except OSError as cause:
        raise InputError(
            f"Port {port} is in use by another program. Give another with --port, or leave it out to have a free one "
            "chosen."
        ) from cause


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would share a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _is_here(host: str, family: socket.AddressFamily) -> bool:
    with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return True
    return False
