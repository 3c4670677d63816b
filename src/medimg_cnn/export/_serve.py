"""A small local page to try a bundle: drop an image, see what the model says of it. Nothing is kept."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import warnings
from collections.abc import Callable
from importlib import resources
from typing import Any

from medimg_cnn._types import PathLike
from medimg_cnn._validation import check_integer, import_optional
from medimg_cnn.errors import ArgumentError, MedimgCnnWarning
from medimg_cnn.export._bundle import Bundle, load_bundle
from medimg_cnn.export._examine import Examiner
from medimg_cnn.export._guard import Guard

__all__ = ["make_app", "serve"]

_MAX_BYTES = 32 * 2**20
_UPLOADS = 8
"""Uploads that are held in memory at once; others wait their turn unread."""
_PATIENCE = 60.0
"""Seconds that an upload may take."""
_CONNECTIONS = 128
_FILES = {
    "": ("index.html", "text/html"),
    "page.js": ("page.js", "text/javascript"),
    "page.css": ("page.css", "text/css"),
}
_LOG = logging.getLogger(__name__)


def make_app(
    bundle: Bundle | PathLike, *, max_bytes: int = _MAX_BYTES, any_host: bool = False, address: str = ""
) -> Any:
    """Return the page as an ASGI application (Starlette), for ``serve`` or a server of your own.

    ``GET /`` is the page, ``GET /api/model`` says what the model is, and ``POST /api/predict`` takes the bytes of an
    image file as its body and answers in JSON: probability, decision, warnings, and with ``?map=1`` the image, its
    class-activation map and what the model sees of it. An unreadable image is 422 with an ``error``, one that is too
    large 413. Images are held in memory while they are answered, at most eight at once, and nowhere else. Requests
    that another web page makes are refused.

    Args:
        bundle: what ``load_bundle`` returned, or the path of a bundle.
        max_bytes: of an uploaded file.
        any_host: answer to requests that name another host than this machine; by default they are refused, so that
            a web page elsewhere cannot reach the model through a name that it points here.
        address: that you listen on, where it is another of this machine's own than 127.0.0.1, such as 127.0.0.2.

    Raises:
        MissingDependencyError: the extra "serve" is not installed.
        BundleError: the bundle at the path is refused.
    """
    starlette = import_optional("starlette.applications", extra="serve", why="The page")
    from starlette.middleware import Middleware
    from starlette.routing import Route

    limit = check_integer("max_bytes", max_bytes, low=1)
    frozen = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    endpoints = _Endpoints(Examiner(frozen), limit)
    routes = [
        *(Route(f"/{name}", endpoints.file, methods=["GET"]) for name in _FILES),
        Route("/api/model", endpoints.model, methods=["GET"]),
        Route("/api/predict", endpoints.predict, methods=["POST"]),
    ]
    return starlette.Starlette(
        routes=routes, middleware=[Middleware(Guard, any_host=any_host, address=address)]
    )


def serve(
    bundle: Bundle | PathLike,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    announce: Callable[[str], object] | None = None,
) -> None:
    """Serve the page until Ctrl-C; to this machine only, unless another ``host`` is given.

    Args:
        bundle: what ``load_bundle`` returned, or the path of a bundle.
        host: the address to listen on.
        port: 1 to 65,535; 0 takes a free one.
        announce: is called with the page's address once it can be opened.

    Raises:
        ArgumentError: the address or the port cannot be listened on.
        MissingDependencyError: the extra "serve" is not installed.
        BundleError: the bundle at the path is refused.

    Warns:
        MedimgCnnWarning: the address can be reached from other machines; there is no password and no encryption.
    """
    uvicorn = import_optional("uvicorn", extra="serve", why="The page")
    check_integer("port", port, low=0, high=65_535)
    local = _is_loopback(host)
    if not local:
        warnings.warn(
            f"Anyone who reaches {host} can use this page: there is no password and no encryption.",
            MedimgCnnWarning,
            stacklevel=2,
        )
    with _listening(host, port) as listener:
        app = make_app(bundle, any_host=not local, address=host)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                lifespan="off",
                limit_concurrency=_CONNECTIONS,
                timeout_graceful_shutdown=5,
            )
        )
        if announce is not None:
            name = f"[{host}]" if ":" in host else host
            announce(f"http://{name}:{listener.getsockname()[1]}")
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


class _Endpoints:
    def __init__(self, examiner: Examiner, limit: int) -> None:
        self._examiner, self._limit = examiner, limit
        self._uploads = asyncio.Semaphore(_UPLOADS)

    async def file(self, request: Any) -> Any:
        from starlette.responses import Response

        name, kind = _FILES[request.url.path.lstrip("/")]
        text = resources.files("medimg_cnn.export").joinpath("page", name).read_text("utf-8")
        return Response(text, media_type=kind)

    async def model(self, request: Any) -> Any:
        del request
        return _json(200, {**self._examiner.model, "max_bytes": self._limit})

    async def predict(self, request: Any) -> Any:
        from starlette.concurrency import run_in_threadpool

        said = request.headers.get("content-length", "0")
        if not said.isdigit() or int(said) > self._limit:
            return self._too_large()
        async with self._uploads:
            try:
                async with asyncio.timeout(_PATIENCE):
                    content = await self._received(request)
            except TimeoutError:
                return _json(408, {"error": f"the file must arrive within {_PATIENCE:.0f} seconds"})
            if content is None:
                return self._too_large()
            if not content:
                return _json(400, {"error": "send the bytes of an image file as the body"})
            try:
                status, result = await run_in_threadpool(
                    self._examiner.answer, content, with_pictures=request.query_params.get("map") == "1"
                )
            # What went wrong may quote the image or a path: that is for the log, and not for whoever asks.
            except Exception as error:  # noqa: BLE001 - whatever it is, the page goes on
                _LOG.exception("an image could not be judged")
                return _json(
                    500, {"error": f"the image could not be judged: {type(error).__name__} in the library"}
                )
            return _json(status, result)

    async def _received(self, request: Any) -> bytes | None:
        """Return the body, or None once it is too large."""
        content = bytearray()
        async for block in request.stream():
            content += block
            if len(content) > self._limit:
                return None
        return bytes(content)

    def _too_large(self) -> Any:
        return _json(413, {"error": f"the file is larger than {self._limit:,} bytes"})


def _json(status: int, content: dict[str, Any]) -> Any:
    from starlette.responses import JSONResponse

    return JSONResponse(content, status_code=status)


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens, so that a port in use is said before the model is loaded."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_CONNECTIONS)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ArgumentError(
            f"host and port: must be free to listen on; {host}, {port} is not ({error.strerror or error}). "
            "Pass another port, for example port=8080."
        ) from error
    return listener


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
