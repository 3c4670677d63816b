"""A small local page to try a bundle: drop an image, see what the model says of it. Nothing is kept."""

from __future__ import annotations

import base64
import io
import ipaddress
import threading
import warnings
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import Image, PathLike
from medimg_cnn._validation import check_integer, import_optional
from medimg_cnn.errors import MedimgCnnWarning
from medimg_cnn.explain import overlay
from medimg_cnn.explain._grad_cam import class_activation_maps
from medimg_cnn.export._bundle import Bundle, load_bundle
from medimg_cnn.export._predictor import ImagePrediction, Predictor

__all__ = ["make_app", "serve"]

_MAX_BYTES = 32 * 2**20
_LOOPBACK_NAMES = ["127.0.0.1", "localhost", "testserver"]
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_FILES = {
    "": ("index.html", "text/html"),
    "page.js": ("page.js", "text/javascript"),
    "page.css": ("page.css", "text/css"),
}


class _Model:
    """One image at a time through the bundle; safe from several threads."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._predictor = Predictor(bundle, workers=1)
        self._heat = class_activation_maps(bundle.model, None)
        blank = np.zeros((1, *bundle.image_shape), dtype=np.float32)
        bundle.engine.logits(blank)  # compiled before the first request, by one thread
        self._map(blank[0])
        if bundle.reference is not None:
            bundle.engine.features(blank)
        # Two decoders at once are enough, and bound the memory that images may take.
        self._turns = threading.Semaphore(2)

    def answer(self, content: bytes, *, with_map: bool) -> tuple[int, dict[str, Any]]:
        """Return a status and what is to be said of an image file's bytes."""
        with self._turns:
            found, pixels = self._predictor.examine(io.BytesIO(content))
            if pixels is None:
                return 422, {"error": found.error.removeprefix("<stream>: ")}
            result = _described(self.bundle, found)
            if with_map:
                result["picture"] = _png_url(np.repeat(pixels, 3 // pixels.shape[2], axis=2))
                result["map"] = _png_url(overlay(pixels, self._map(pixels)))
            return 200, result

    def _map(self, pixels: Image) -> NDArray[np.float32]:
        import jax.numpy as jnp

        heat: NDArray[np.float32] = np.asarray(self._heat(jnp.asarray(pixels[None])))[0]
        return heat


def make_app(bundle: Bundle | PathLike, *, max_bytes: int = _MAX_BYTES, any_host: bool = False) -> Any:
    """Return the page as an ASGI application (Starlette), for ``serve`` or a server of your own.

    ``GET /`` is the page, ``GET /api/model`` says what the model is, and ``POST /api/predict`` takes the bytes of an
    image file as its body and answers in JSON: probability, decision, warnings, and with ``?map=1`` the prepared image
    and its class-activation map. An unreadable image is 422 with an ``error``, one that is too large 413. Images are
    held in memory while they are answered, and nowhere else.

    Args:
        bundle: what ``load_bundle`` returned, or the path of a bundle.
        max_bytes: of an uploaded file.
        any_host: answer to requests that name another host than this machine; by default they are refused, so that
            a web page elsewhere cannot reach the model through a name that it points here.

    Raises:
        MissingDependencyError: the extra "serve" is not installed.
        BundleError: the bundle at the path is refused.
    """
    starlette = import_optional("starlette.applications", extra="serve", why="The page")
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Route

    limit = check_integer("max_bytes", max_bytes, low=1)
    frozen = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    endpoints = _Endpoints(_Model(frozen), limit)
    routes = [
        *(Route(f"/{name}", endpoints.file, methods=["GET"]) for name in _FILES),
        Route("/api/model", endpoints.model, methods=["GET"]),
        Route("/api/predict", endpoints.predict, methods=["POST"]),
    ]
    hosts = ["*"] if any_host else _LOOPBACK_NAMES
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)]
    return starlette.Starlette(routes=routes, middleware=guards)


def serve(bundle: Bundle | PathLike, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve the page until interrupted; to this machine only, unless another ``host`` is given.

    Args:
        bundle: what ``load_bundle`` returned, or the path of a bundle.
        host: the address to listen on.
        port: 1 to 65,535.

    Raises:
        MissingDependencyError: the extra "serve" is not installed.
        BundleError: the bundle at the path is refused.

    Warns:
        MedimgCnnWarning: the address can be reached from other machines; there is no password and no encryption.
    """
    uvicorn = import_optional("uvicorn", extra="serve", why="The page")
    check_integer("port", port, low=1, high=65_535)
    local = _is_loopback(host)
    if not local:
        warnings.warn(
            f"Anyone who reaches {host} can use this page: there is no password and no encryption.",
            MedimgCnnWarning,
            stacklevel=2,
        )
    app = make_app(bundle, any_host=not local)
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, server_header=False)


class _Endpoints:
    def __init__(self, model: _Model, limit: int) -> None:
        self._model, self._limit = model, limit

    async def file(self, request: Any) -> Any:
        from starlette.responses import Response

        name, kind = _FILES[request.url.path.lstrip("/")]
        text = resources.files("medimg_cnn.export").joinpath("page", name).read_text("utf-8")
        return Response(text, media_type=kind, headers=_HEADERS)

    async def model(self, request: Any) -> Any:
        del request
        bundle = self._model.bundle
        return _json(
            200,
            {
                "name": bundle.name or bundle.architecture.name,
                "classes": list(bundle.classes),
                "operating_point": bundle.operating_point.to_dict(),
                "intended_use": bundle.intended_use,
                "card": bundle.model_card,
                "sha256": bundle.sha256,
                "use": "research use only",
            },
        )

    async def predict(self, request: Any) -> Any:
        from starlette.concurrency import run_in_threadpool

        content = bytearray()
        too_large = f"the file is larger than {self._limit:,} bytes"
        said = request.headers.get("content-length", "0")
        if not said.isdigit() or int(said) > self._limit:
            return _json(413, {"error": too_large})
        async for block in request.stream():
            content += block
            if len(content) > self._limit:
                return _json(413, {"error": too_large})
        if not content:
            return _json(400, {"error": "send the bytes of an image file as the body"})
        with_map = request.query_params.get("map") == "1"
        status, result = await run_in_threadpool(self._model.answer, bytes(content), with_map=with_map)
        return _json(status, result)


def _json(status: int, content: dict[str, Any]) -> Any:
    from starlette.responses import JSONResponse

    return JSONResponse(content, status_code=status, headers=_HEADERS)


def _described(bundle: Bundle, found: ImagePrediction) -> dict[str, Any]:
    remarks = []
    if found.out_of_scope:
        remarks.append(
            f"This image is unlike the training images in {found.scope_reason}: do not rely on the result."
        )
    if found.out_of_scope is None:
        remarks.append("Whether this image is like the training images is not known.")
    if found.abstain:
        remarks.append("The probability is too near the threshold to decide.")
    if bundle.recalibrated is not None:
        remarks.append(f"The probabilities were recalibrated on {bundle.recalibrated['on']}.")
    return {
        "probability": found.probability,
        "decision": found.decision,
        "positive": bundle.classes[1],
        "threshold": bundle.operating_point.threshold,
        "abstain": found.abstain,
        "out_of_scope": found.out_of_scope,
        "scope_reason": found.scope_reason,
        "warnings": remarks,
        "seconds": found.seconds,
        "use": "research use only",
    }


def _png_url(pixels: Image) -> str:
    from PIL import Image as PillowImage

    stream = io.BytesIO()
    PillowImage.fromarray(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
