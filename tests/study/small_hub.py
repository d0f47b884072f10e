"""A model hub on this machine, with the few addresses that pushing and pulling ask for."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


class Hub:
    """What was sent: repository -> file -> content, who may see it, and which addresses were asked for."""

    def __init__(self):
        self.files: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []
        self.address = ""


@contextmanager
def small_hub() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format, *values):
            pass

        def answer(self, content: bytes, status: int = 200, **headers: str):
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def tell(self, value: object, status: int = 200):
            self.answer(json.dumps(value).encode(), status, Content_Type="application/json")

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def do_POST(self):
            path, body = unquote(urlsplit(self.path).path), self.body()
            hub.asked.append(f"POST {path}")
            if path == "/api/repos/create":
                asked = json.loads(body)
                repo = "/".join(filter(None, (asked.get("organization"), asked["name"])))
                is_new = repo not in hub.files
                if is_new:
                    hub.files[repo] = {".gitattributes": b""}
                    hub.private[repo] = asked.get("visibility") == "private" or bool(asked.get("private"))
                self.tell({"url": f"{hub.address}/{repo}", "id": repo}, 200 if is_new else 409)
            elif found := re.fullmatch(r"/api/models/(.+?/.+?)/preupload/main", path):
                told = [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                        for each in json.loads(body)["files"]]  # fmt: skip
                self.tell({"files": told})
            elif found := re.fullmatch(r"/api/models/(.+?/.+?)/commit/main", path):
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        hub.files[found[1]][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                self.tell({"commitUrl": f"{hub.address}/{found[1]}/commit/{COMMIT}", "commitOid": COMMIT})
            elif path == "/api/validate-yaml":
                card = json.loads(body)["content"]
                errors = [] if "license:" in card.split("---")[1] else [{"message": "no license"}]
                self.tell({"errors": errors, "warnings": []}, 400 if errors else 200)
            else:
                self.tell({}, 404)

        def do_GET(self):
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            if (found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/.+)?", path)) and found[1] in hub.files:
                names = [{"rfilename": name} for name in hub.files[found[1]]]
                told = {"id": found[1], "sha": COMMIT, "siblings": names, "tags": [], "private": hub.private[found[1]]}
                self.tell(told | {"downloads": 0, "likes": 0})
            elif found := re.fullmatch(rf"/([^/]+/[^/]+)/resolve/{COMMIT}/(.+)", path):
                content = hub.files[found[1]][found[2]]
                tag = hashlib.sha256(content).hexdigest()
                self.answer(content, ETag=f'"{tag}"', X_Repo_Commit=COMMIT)
            else:
                self.answer(b"{}", 404, X_Error_Code="RepoNotFound")

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
