"""What stands between the network and the page: who may ask, and what every answer says to the browser."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

__all__ = ["Guard"]

_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_ELSEWHERE = frozenset({"cross-site", "same-site"})
_HEADERS = [
    (name.encode("latin-1"), value.encode("latin-1"))
    for name, value in {
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }.items()
]


class Guard:
    """ASGI middleware: refuses other host names and other pages' requests, and adds headers to every answer.

    A page elsewhere can make its visitor's browser send requests to this machine. Through a name that it points here
    it could read the answers, so the name of the host is looked at; without one it could still make the model work,
    so browsers' word on where a request comes from is looked at as well.

    Args:
        app: the application.
        any_host: whether the name of the host is left alone.
        address: that is listened on, and answered to by this name as well.
    """

    def __init__(self, app: Any, *, any_host: bool, address: str = "") -> None:
        self._app, self._any_host = app, any_host
        own = f"[{address}]" if ":" in address else address
        self._names = _LOOPBACK_NAMES | ({own} if own else set())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        from starlette.responses import JSONResponse

        status, reason = refusal
        await JSONResponse({"error": reason}, status_code=status)(scope, receive, send_with_headers)

    def _refusal(self, scope: Any) -> tuple[int, str] | None:
        said: dict[str, str] = {}
        for name, value in scope["headers"]:
            key = name.decode("latin-1").lower()
            if key == "host" and key in said:
                return 400, "the request must name one host"
            said[key] = value.decode("latin-1")
        if not self._any_host and _host_of(said.get("host", "")) not in self._names:
            return 400, "this page answers to this machine only"
        if scope["method"] in {"GET", "HEAD"}:
            return None  # a link may lead here; what is answered another page cannot read
        own = "origin" not in said or _place_of(said["origin"]) == said.get("host", "").lower()
        if said.get("sec-fetch-site") in _ELSEWHERE or not own:
            return 403, "this request was made by another page"
        return None


def _place_of(origin: str) -> str:
    """Return host and port of an Origin header, as a Host header has them; "null" where it has none."""
    try:
        return urlsplit(origin).netloc.lower() or "null"
    except ValueError:
        return "null"


def _host_of(header: str) -> str:
    """Return a Host header without its port, in lower case; "" where it is malformed."""
    name, bracket, port = (
        header.lower().rpartition("]") if header.startswith("[") else header.lower().partition(":")
    )
    if bracket == "]":
        name, port = f"{name}]", port.removeprefix(":")
    return name if not port or port.isdigit() else ""
