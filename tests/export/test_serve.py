"""The page: what it answers, what it refuses, and that hostile uploads do not bring it down."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import medimg_cnn as mc
from medimg_cnn.errors import ArgumentError
from medimg_cnn.export import _serve as module
from medimg_cnn.export import make_app, serve
from medimg_cnn.export._examine import Examiner
from medimg_cnn.export._guard import _host_of
from medimg_cnn.export._serve import _is_loopback

pytest.importorskip("starlette", reason="pip install medimg-cnn[serve]")
uvicorn = pytest.importorskip("uvicorn")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LIMIT = 200_000


def png(value: int = 90, size: tuple[int, int] = (12, 12)) -> bytes:
    stream = io.BytesIO()
    rng = np.random.default_rng(value)
    Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def run_server(app: object) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def address(bundle) -> Iterator[str]:
    yield from run_server(make_app(bundle, max_bytes=LIMIT))


def ask(url: str, content: bytes | None = None, **headers: str) -> tuple[int, dict, dict]:
    request = urllib.request.Request(url, data=content, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text, status, said = answer.read(), answer.status, answer.headers
    except urllib.error.HTTPError as error:
        text, status, said = error.read(), error.code, error.headers
    body = json.loads(text) if said.get_content_type() == "application/json" else {"text": text.decode()}
    return status, body, dict(said)


def test_an_image_is_answered_as_the_predictor_does(address, bundle, tmp_path):
    (tmp_path / "image.png").write_bytes(png())
    expected = mc.Predictor(bundle).predict(tmp_path / "image.png").iloc[0]
    status, body, _ = ask(f"{address}/api/predict?map=1", png())
    assert status == 200
    assert body["probability"] == expected["probability"]
    assert body["decision"] == expected["decision"]
    assert body["out_of_scope"] == expected["out_of_scope"]
    assert body["use"] == "research use only"
    for name in ("view", "picture", "map"):
        with urllib.request.urlopen(body[name]) as picture:
            assert Image.open(io.BytesIO(picture.read())).size == (12, 12)
    assert "map" not in ask(f"{address}/api/predict", png())[1]


def test_an_image_unlike_the_training_images_is_warned_of(address):
    _, body, _ = ask(f"{address}/api/predict", png(size=(300, 300)))
    assert any("unlike the training images in size" in text for text in body["warnings"])


def test_what_cannot_be_read_is_said(address):
    status, body, _ = ask(f"{address}/api/predict", b"%PDF-1.7 not an image")
    assert status == 422
    assert "image" in body["error"]
    assert "<stream>" not in body["error"]
    assert ask(f"{address}/api/predict", png()[:60])[0] == 422
    assert ask(f"{address}/api/predict", b"")[0] == 400


def test_what_is_too_large_is_refused_without_being_read(address):
    status, body, _ = ask(f"{address}/api/predict", bytes(LIMIT + 1))
    assert status == 413
    assert f"{LIMIT:,}" in body["error"]


def test_an_endless_upload_is_cut_off(address):
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(
            f"POST /api/predict HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(LIMIT // 10_000 + 2):
            line.sendall(b"2710\r\n" + bytes(10_000) + b"\r\n")
        assert b"413" in line.recv(100)


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(address, bundle):
    status, body, headers = ask(f"{address}/")
    assert status == 200
    assert "Research use only" in body["text"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    for name in ("page.js", "page.css"):
        assert ask(f"{address}/{name}")[0] == 200
        assert "http" not in ask(f"{address}/{name}")[1]["text"]
    assert ask(f"{address}/api/model")[1]["sha256"] == bundle.sha256
    for path in ("../pyproject.toml", "%2e%2e/pyproject.toml", "api", "page/index.html"):
        assert ask(f"{address}/{path}")[0] == 404


@pytest.mark.parametrize(
    "name",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "testserver",
        "127.0.0.1:80:80",
        "[::1",
        "",
    ],
)
def test_another_host_name_is_refused(address, name):
    """Else a page elsewhere could point its own name at this machine, and read the answers."""
    status, body, headers = ask(f"{address}/api/model", Host=name)
    assert status == 400
    assert "this machine only" in body["error"] or name == ""
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("LOCALHOST:8000", "localhost"),
        ("[::1]:8000", "[::1]"),
        ("[::1]", "[::1]"),
        ("[::1]evil", ""),
        ("localhost:evil", ""),
    ],
)
def test_a_host_is_told_from_its_port(header, name):
    assert _host_of(header) == name


def test_another_pages_request_is_refused(address):
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9"},
    ):
        status, body, _ = ask(f"{address}/api/predict", png(), **headers)
        assert (status, body["error"]) == (403, "this request was made by another page")
    own = {"Origin": address, "Sec-Fetch-Site": "same-origin"}
    assert ask(f"{address}/api/predict", png(), **own)[0] == 200
    _, _, headers = ask(f"{address}/api/model")
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_another_page_is_refused_under_any_name_and_the_address_listened_on_is_answered(bundle):
    for options, host, origin, expected in (
        ({"any_host": True}, "clinic.example", "http://evil.example", 403),
        ({"any_host": True}, "clinic.example", "http://[", 403),
        ({"any_host": True}, "clinic.example", "http://clinic.example", 200),
        ({"address": "127.0.0.2"}, "127.0.0.2:8000", "http://127.0.0.2:8000", 200),
        ({}, "127.0.0.2:8000", "http://127.0.0.2:8000", 400),
    ):
        server = run_server(make_app(bundle, **options))
        status, _, _ = ask(f"{next(server)}/api/predict", png(), Host=host, Origin=origin)
        next(server, None)
        assert status == expected, (options, host, origin)


def test_an_error_inside_is_said_without_its_text(bundle, caplog):
    """The text of an exception may hold a path, or a piece of the image."""
    app = make_app(bundle)
    examiner = app.routes[-1].endpoint.__self__._examiner
    examiner._predictor.examine = lambda stream: {}["/home/someone/secret.png"]
    server = run_server(app)
    status, body, _ = ask(f"{next(server)}/api/predict", png())
    next(server, None)
    assert (status, body) == (500, {"error": "the image could not be judged: KeyError in the library"})
    assert "secret" in caplog.text


def test_no_answer_names_a_path(address, shared):
    for path in sorted((shared / "data" / "odd_images").iterdir()):
        if 0 < path.stat().st_size < LIMIT:
            _, body, _ = ask(f"{address}/api/predict", path.read_bytes())
            assert not re.search(
                r"/(home|root|tmp|usr|work|opt)/|site-packages|\.py\b", body.get("error", "")
            ), body


def test_images_larger_than_the_librarys_limit_are_refused_whatever_the_bundle_says(bundle):
    how = bundle.preprocessing
    greedy = replace(bundle, preprocessing=replace(how, read=replace(how.read, max_pixels=10**12)))
    answer = Examiner(greedy).answer(png_that_says(60_000, 60_000), with_pictures=True)
    assert answer[0] == 422
    assert "36,000,000 pixels" in answer[1]["error"]


def png_that_says(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes whose header announces so many pixels."""
    content = bytearray(png())
    content[16:24] = struct.pack(">2I", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def test_uploads_beyond_eight_wait_and_none_is_lost(bundle, monkeypatch):
    """Eight slow uploads hold what memory there is for uploads; the ninth is answered after one of them."""
    monkeypatch.setattr(module, "_PATIENCE", 3.0)
    server = run_server(make_app(bundle, max_bytes=LIMIT))
    address = next(server)
    host, port = address.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port)), timeout=20) for _ in range(8)]
    try:
        for line in slow:
            line.sendall(
                f"POST /api/predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\nx".encode()
            )
        time.sleep(0.5)
        assert ask(f"{address}/api/model")[0] == 200, "what needs no upload is answered meanwhile"
        started = time.perf_counter()
        assert ask(f"{address}/api/predict", png())[0] == 200
        assert time.perf_counter() - started > 1.0
        assert all(b"408" in line.recv(100) for line in slow)
    finally:
        for line in slow:
            line.close()
        next(server, None)


def test_a_port_in_use_is_said_in_words(bundle):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ArgumentError, match="must be free to listen on"),
    ):
        serve(bundle, port=taken.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_command_serves_until_it_is_interrupted(bundle_zip, host):
    command = [sys.executable, "-m", "medimg_cnn", "serve", str(bundle_zip), "--host", host, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        address = process.stderr.readline().split()[0]
        assert ask(f"{address}/api/predict", png())[0] == 200
        assert ask(f"{address}/")[0] == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("x", False)],
)
def test_what_is_this_machine(host, local):
    assert _is_loopback(host) is local


def test_hostile_uploads_do_not_bring_it_down(address, shared):
    files = [
        path for path in sorted((shared / "data" / "odd_images").iterdir()) if path.stat().st_size < LIMIT
    ]
    statuses = [ask(f"{address}/api/predict", path.read_bytes())[0] for path in files if path.stat().st_size]
    assert set(statuses) == {200, 422}
    assert len(statuses) > 50
    assert ask(f"{address}/api/predict", png())[0] == 200


def many_requests(address: str, n: int = 1000, clients: int = 8) -> list[float]:
    """Send requests from several clients; every answer must be the right one. Return seconds of each."""
    images = [png(value) for value in range(20)]
    expected = [ask(f"{address}/api/predict", image)[1]["probability"] for image in images]

    def one(index: int) -> float:
        started = time.perf_counter()
        status, body, _ = ask(f"{address}/api/predict", images[index % 20])
        assert (status, body["probability"]) == (200, expected[index % 20])
        return time.perf_counter() - started

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(one, range(n)))


def test_many_clients_at_once_lose_nothing(address):
    assert len(many_requests(address, n=160)) == 160


@pytest.mark.benchmark
def test_a_thousand_requests_of_eight_clients(address):
    seconds = many_requests(address)
    print(
        f"\n1,000 requests, 8 clients: p50 {np.quantile(seconds, 0.5):.3f} s, p95 {np.quantile(seconds, 0.95):.3f} s"
    )
    assert len(seconds) == 1000


DRIVE = """
addEventListener("load", async () => {
  const bytes = await (await fetch("image.png")).blob();
  const data = new DataTransfer();
  data.items.add(new File([bytes], "image.png"));
  document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
});
"""


@pytest.fixture
def driven(bundle) -> Iterator[str]:
    """The page with a script more, which drops an image on it."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Mount, Route

    app = make_app(bundle)
    page = Path(mc.export.__file__).parent.joinpath("page", "index.html").read_text("utf-8")

    async def start(request: object) -> Response:
        return Response(
            page.replace("</head>", '<script src="drive.js" defer></script></head>'), media_type="text/html"
        )

    async def script(request: object) -> Response:
        return Response(DRIVE, media_type="text/javascript")

    async def image(request: object) -> Response:
        return Response(png(), media_type="image/png")

    routes = [Route("/", start), Route("/drive.js", script), Route("/image.png", image), Mount("/", app)]
    yield from run_server(Starlette(routes=routes))


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
def test_an_image_dropped_on_the_page_shows_its_result(driven, address, tmp_path):
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=20000",
        "--window-size=800,1000",
    ]
    done = subprocess.run(
        [*command, "--dump-dom", driven], capture_output=True, text=True, check=True, timeout=120
    )
    page = unescape(done.stdout)
    expected = ask(f"{address}/api/predict", png())[1]
    assert f">{expected['decision']}</span>" in page
    assert f"probability of ill {100 * expected['probability']:.1f}%" in page
    assert '<section id="result" aria-live="polite">' in page
    assert page.count("data:image/png;base64,") == 3
    assert "Squares 1" in page
    assert "CONSOLE" not in done.stderr
    shot = tmp_path / "page.png"
    subprocess.run([*command, f"--screenshot={shot}", driven], capture_output=True, check=True, timeout=120)
    assert len(np.unique(np.asarray(Image.open(shot).convert("L")))) > 20
