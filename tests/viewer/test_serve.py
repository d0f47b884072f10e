import socket
import threading
import urllib.request

import pytest

from prognoscope.core.errors import InputError, MissingFileError, PrognoscopeError
from prognoscope.viewer import serve
from prognoscope.viewer.access import is_loopback, new_token
from prognoscope.viewer.serve import open_viewer


def test_a_port_in_use_is_one_sentence_with_a_cure(painted):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"Port {port} is in use by another program. Give another with --port"):
            open_viewer(painted / "run", port=port)


def test_without_a_port_a_free_one_is_found(painted):
    first, second = open_viewer(painted / "run"), open_viewer(painted / "run")
    assert first.url != second.url and "token" not in first.url
    first.listener.close()
    second.listener.close()


def test_an_address_of_another_machine_is_refused(painted):
    for host in ("192.0.2.7", "no.such.host.invalid"):
        with pytest.raises(InputError, match="no address of this machine"):
            open_viewer(painted / "run", host=host)


def test_elsewhere_than_on_loopback_the_address_has_a_token_of_its_own(painted):
    serving = open_viewer(painted / "run", host="0.0.0.0")
    assert len(serving.app.token) >= 32 and serving.url.endswith(f"?token={serving.app.token}")
    assert serving.app.token not in repr(serving.app) and new_token() != new_token()
    serving.listener.close()


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.8.9.1", True), ("0.0.0.0", False), ("a.b", False)],
)
def test_loopback_is_told_from_the_rest(host, expected):
    assert is_loopback(host) is expected


def test_a_folder_of_slides_that_is_not_there_is_refused(painted, tmp_path):
    with pytest.raises(MissingFileError, match="--slides"):
        open_viewer(painted / "run", slides=tmp_path / "nowhere")


def test_without_the_extra_the_sentence_says_how_to_install_it(painted, monkeypatch):
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    with pytest.raises(PrognoscopeError, match=r'pip install "prognoscope\[viewer\]"'):
        open_viewer(painted / "run")


def test_it_answers_until_it_is_stopped(painted, monkeypatch):
    import uvicorn

    serving, servers = open_viewer(painted / "run", port=None), []
    made = uvicorn.Server.__init__

    def kept(self, *args, **kwargs):
        servers.append(self)
        made(self, *args, **kwargs)

    uvicorn.Server.__init__ = kept
    try:
        asked: list[str] = []
        monkeypatch.setattr("webbrowser.open", asked.append)
        thread = threading.Thread(target=lambda: serving.run(in_browser=True))
        thread.start()
        assert b"Prognoscope" in urllib.request.urlopen(serving.url, timeout=20).read()
        assert asked == [serving.url]
        servers[0].should_exit = True
        thread.join(20)
        assert not thread.is_alive()
    finally:
        uvicorn.Server.__init__ = made
