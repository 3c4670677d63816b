"""The page in a real browser: no message on the console, no sideways scrolling at any width.

The report is opened inside a frame of the wanted width, because a headless window has a least width of its
own. The frame is given no right to run scripts; only the page around it measures.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from html import escape, unescape
from pathlib import Path

import numpy as np
import pytest

from medimg_cnn.artifacts import Predictions
from medimg_cnn.reporting import Pictures, clinical_report, compare_report

HOSTILE = "<script>alert('x')</script>"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed"),
]

WIDTHS = (360, 390, 768, 1280)
FRAME = '<iframe sandbox="allow-same-origin" width="{width}" height="800" srcdoc="{report}"></iframe>'
MEASURE = """<!doctype html><title>measure</title>{frames}<pre id="out"></pre>
<script>
function measure(frame) {{
  const inner = frame.contentDocument, view = inner.defaultView, root = inner.documentElement;
  inner.querySelectorAll("details").forEach(item => item.open = true);
  const size = e => parseFloat(view.getComputedStyle(e).fontSize);
  const beyond = e => !e.closest(".scroll") && !e.closest("svg")
    && e.getBoundingClientRect().right > root.clientWidth + 1;
  return {{
    scroll: root.scrollWidth, client: root.clientWidth,
    beyond: [...inner.querySelectorAll("body *")].filter(beyond).map(e => e.tagName + "." + e.className),
    headline: size(inner.querySelector(".keys .value") || inner.querySelector("p.lead")) / size(inner.body),
    charts: inner.querySelectorAll("svg.chart").length,
    broken: [...inner.images].filter(i => i.naturalWidth === 0).length
  }};
}}
addEventListener("load", () => {{
  const found = [...document.querySelectorAll("iframe")].map(measure);
  document.getElementById("out").textContent = JSON.stringify(found);
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


@pytest.fixture(scope="module")
def long_names_report():
    rng = np.random.default_rng(0)
    n, endless = 60, "endless" * 30
    cases = Predictions(
        y_true=rng.integers(0, 2, n),
        logit=rng.normal(size=n),
        probability=rng.random(n),
        sample_id=[f"{endless}{i}" for i in range(n)],
        subgroups={endless: rng.choice([endless, "b"], n)},
        classes=(endless + "0", endless + "1"),
    )
    images = rng.random((n, 4, 4, 3)).astype(np.float32)
    return clinical_report(
        cases, title=endless, facts={endless: endless}, images=images, case_names=True, bootstrap=100
    )


@pytest.fixture(scope="module")
def maps_report(full_report):
    """The page with a map beside each image; which map it is does not matter to its layout."""
    sections = []
    for section in full_report.document.sections:
        blocks = [
            replace(
                block,
                items=tuple(replace(item, map_png=item.png, map_alt="a map") for item in block.items),
            )
            if isinstance(block, Pictures)
            else block
            for block in section.blocks
        ]
        sections.append(replace(section, blocks=tuple(blocks)))
    return replace(full_report, document=replace(full_report.document, sections=tuple(sections)))


@pytest.fixture(scope="module")
def comparison_report(make_predictions):
    """The page of a comparison, with every section and with names that could break it."""
    a = make_predictions(200, seed=2, per_patient=1)
    logit = a.logit + np.random.default_rng(1).normal(size=a.n)
    b = replace(a, logit=logit, probability=1 / (1 + np.exp(-logit)))
    return compare_report(
        a,
        b,
        names=(HOSTILE, "endless" * 30),
        operating_point_a=0.4,
        operating_point_b=0.4,
        margin=0.05,
        facts={HOSTILE: HOSTILE},
    )


@pytest.mark.parametrize(
    ("name", "charts", "headline"),
    [
        ("full_report", 7, 1.5),
        ("long_names_report", 7, 1.5),
        ("maps_report", 7, 1.5),
        ("comparison_report", 2, 1.05),
    ],
)
def test_nothing_scrolls_sideways_at_any_width(name, charts, headline, request, tmp_path):
    html = escape(request.getfixturevalue(name).to_html())
    page = tmp_path / "measure.html"
    frames = "".join(FRAME.format(width=width, report=html) for width in WIDTHS)
    page.write_text(MEASURE.format(frames=frames), encoding="utf-8")
    done = chromium(tmp_path, "--virtual-time-budget=5000", "--dump-dom", page.as_uri())
    out = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL)
    measured = json.loads(unescape(out.group(1)))
    assert len(measured) == len(WIDTHS)
    for width, found in zip(WIDTHS, measured, strict=True):
        assert found["beyond"] == [], width
        assert found["scroll"] <= found["client"] <= width
        assert found["headline"] > headline
        assert found["charts"] >= charts
        assert found["broken"] == 0


@pytest.mark.parametrize("name", ["full_report", "comparison_report"])
def test_the_console_stays_silent_and_the_page_prints(name, request, tmp_path):
    page = request.getfixturevalue(name).save(tmp_path / "report.html")
    target = tmp_path / "report.pdf"
    done = chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={target}", page.as_uri())
    assert "CONSOLE" not in done.stderr
    assert target.read_bytes().startswith(b"%PDF")


def test_a_blocked_script_would_be_noticed(full_report, tmp_path):
    page = tmp_path / "spoilt.html"
    page.write_text(full_report.to_html().replace("</body>", "<script>1</script></body>"), encoding="utf-8")
    done = chromium(tmp_path, f"--print-to-pdf={tmp_path / 'x.pdf'}", page.as_uri())
    assert "CONSOLE" in done.stderr


@pytest.fixture(scope="module")
def axe():
    """The source of axe-core, which is not part of this project: MEDIMG_CNN_AXE names its axe.min.js."""
    named = os.environ.get("MEDIMG_CNN_AXE")
    if not named:
        pytest.skip("axe-core is not at hand: set MEDIMG_CNN_AXE to its axe.min.js (npm install axe-core)")
    return Path(named).read_text(encoding="utf-8")


RUN_AXE = """
addEventListener("load", async () => {
  document.querySelectorAll("details").forEach(item => item.open = true);
  const found = await axe.run();
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const told = found.violations.map(v => v.id + " (" + v.impact + "): " + v.nodes.map(n => n.html).join(" | "));
  const out = document.createElement("pre");
  out.id = "out";
  out.textContent = JSON.stringify({dark, told, passes: found.passes.length});
  document.body.append(out);
});"""


def run_axe(html, axe, scheme, tmp_path):
    page = tmp_path / "axe.html"
    html = re.sub(
        r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html
    )  # it would forbid the checker
    page.write_text(
        html.replace("</head>", f"<script>{axe}</script><script>{RUN_AXE}</script></head>"), encoding="utf-8"
    )
    done = chromium(
        tmp_path,
        "--window-size=1280,900",
        f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
        "--virtual-time-budget=60000",
        "--dump-dom",
        page.as_uri(),
    )
    return json.loads(unescape(re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL).group(1)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["full_report", "maps_report", "comparison_report"])
def test_axe_finds_no_violation(name, scheme, request, axe, tmp_path):
    found = run_axe(request.getfixturevalue(name).to_html(), axe, scheme, tmp_path)
    assert found["dark"] == (scheme == "dark")
    assert found["told"] == []
    assert found["passes"] > 30


def test_axe_would_notice(full_report, axe, tmp_path):
    spoilt = full_report.to_html().replace("</main>", '<img src="data:,"></main>')
    assert any(told.startswith("image-alt") for told in run_axe(spoilt, axe, "light", tmp_path)["told"])
