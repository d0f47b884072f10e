"""Who may see the pages: this machine's own browser alone, or, at any other address, whoever has the token."""

import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

COOKIE = "prognoscope-viewer"
HEADERS = {
    # nothing is loaded from, or sent to, anywhere else
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
OUTSIDE = "Open the address that `prognoscope view` printed when it was started: it has a token."
STRANGE = "This viewer does not answer to that name. Open the address that `prognoscope view` printed."


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(24)


@dataclass(slots=True)
class Guard:
    """Lets through whom it should, and says in every answer that a page may load nothing from elsewhere.

    Args:
        app: What is guarded.
        token: Asked of everybody; "" on loopback, where only requests by this machine's own names are answered, so that
            no other page can reach in by a name of its own (DNS rebinding).
    """

    app: AsgiApp
    token: str = field(default="", repr=False)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                more = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in names]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if not self.token:
            if not is_loopback(_host_in(headers.get("host", ""))):
                await _say(headed, 421, STRANGE)
                return
        elif not _equal(_cookie_in(headers.get("cookie", "")), self.token):
            asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            given = next((value for name, value in asked if name == "token"), "")
            if not _equal(given, self.token):
                await _say(headed, 401, OUTSIDE)
                return
            left = urlencode([(name, value) for name, value in asked if name != "token"])
            cookie = f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
            to = "/" + (f"?{left}" if left else "")  # the token leaves the address bar
            await _say(headed, 303, "", [(b"location", to.encode()), (b"set-cookie", cookie.encode())])
            return
        await self.app(scope, receive, headed)


def _host_in(header: str) -> str:
    """The host of a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if ":" in header else header


def _cookie_in(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _equal(given: str, token: str) -> bool:
    """Compared in a time that tells nothing."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


async def _say(send: Send, status: int, sentence: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    plain = [(b"content-type", b"text/plain; charset=utf-8"), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": plain})
    await send({"type": "http.response.body", "body": sentence.encode()})
