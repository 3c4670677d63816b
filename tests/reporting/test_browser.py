"""The page in a real browser: no message on the console, no sideways scrolling at any width.

The report is opened inside a frame of the wanted width, because a headless window has a least width of its
own. The frame is given no right to run scripts; only the page around it measures.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed"),
]

MEASURE = """<!doctype html><title>measure</title>
<iframe id="f" sandbox="allow-same-origin" width="{width}" height="800" srcdoc="{report}"></iframe>
<pre id="out"></pre>
<script>
const frame = document.getElementById("f");
frame.addEventListener("load", () => {{
  const inner = frame.contentDocument;
  inner.querySelectorAll("details").forEach(item => item.open = true);
  const root = inner.documentElement;
  const wide = [...inner.querySelectorAll("main *")]
    .filter(e => !e.closest(".scroll") && !e.closest("svg") && e.getBoundingClientRect().right > root.clientWidth + 1)
    .map(e => e.tagName + "." + e.className);
  document.getElementById("out").textContent = JSON.stringify({{
    scroll: root.scrollWidth, client: root.clientWidth, wide: wide,
    headline: parseFloat(inner.defaultView.getComputedStyle(inner.querySelector(".keys .value")).fontSize),
    body: parseFloat(inner.defaultView.getComputedStyle(inner.body).fontSize),
    background: inner.defaultView.getComputedStyle(inner.body).backgroundColor,
    charts: inner.querySelectorAll("svg.chart").length,
    broken: [...inner.images].filter(i => i.naturalWidth === 0).length
  }});
}});
</script>"""


def chromium(folder, *arguments):
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
        f"--user-data-dir={folder / 'profile'}",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_nothing_scrolls_sideways(full_report, tmp_path, width):
    page = tmp_path / "measure.html"
    page.write_text(MEASURE.format(width=width, report=escape(full_report.to_html())), encoding="utf-8")
    done = chromium(tmp_path, "--virtual-time-budget=5000", "--dump-dom", page.as_uri())
    found = json.loads(unescape(re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL).group(1)))
    assert found["wide"] == []
    assert found["scroll"] <= found["client"] <= width
    assert found["headline"] > 1.5 * found["body"]
    assert found["charts"] >= 8
    assert found["broken"] == 0


def test_the_console_stays_silent_and_the_page_prints(full_report, tmp_path):
    page = full_report.save(tmp_path / "report.html")
    target = tmp_path / "report.pdf"
    done = chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={target}", page.as_uri())
    assert "CONSOLE" not in done.stderr
    assert target.read_bytes().startswith(b"%PDF")


def test_a_blocked_script_would_be_noticed(full_report, tmp_path):
    page = tmp_path / "spoilt.html"
    page.write_text(full_report.to_html().replace("</body>", "<script>1</script></body>"), encoding="utf-8")
    done = chromium(tmp_path, f"--print-to-pdf={tmp_path / 'x.pdf'}", page.as_uri())
    assert "CONSOLE" in done.stderr
