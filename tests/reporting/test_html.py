"""The page: self-contained, inert, in order, and usable without eyes or mouse."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re

import numpy as np
import pytest

from medimg_cnn.artifacts import Predictions
from medimg_cnn.reporting import clinical_report

HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def html(full_report):
    return full_report.to_html()


@pytest.fixture(scope="module")
def page(html, read_page):
    return read_page(html)


def test_every_tag_is_closed_in_order(page):
    assert page.unbalanced == []
    assert page.open_tags == []


def test_nothing_is_fetched_from_anywhere(html, page):
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            value = attributes.get(name)
            if value is not None:
                assert value.startswith(("#", "data:image/png;base64,")), (tag, name, value[:60])
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.tags}
    assert "@import" not in html
    assert all(found == "url(#" for found in re.findall(r"url\(.", html))


def test_the_policy_allows_the_style_sheet_by_its_hash_and_nothing_else(html, page):
    policy = next(a for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")["content"]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert not [tag for tag, attributes in page.tags if "style" in attributes]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_hostile_names_are_text(page, html):
    assert HOSTILE not in html
    assert HOSTILE in page.text()
    assert "=cmd()" in page.text()


@pytest.mark.parametrize(
    "nasty", [HOSTILE, '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "</style>", "&lt;b&gt;"]
)
def test_hostile_texts_are_inert_wherever_they_come_from(nasty, read_page):
    n = 40
    rng = np.random.default_rng(0)
    cases = Predictions(
        y_true=rng.integers(0, 2, n),
        logit=rng.normal(size=n),
        probability=rng.random(n),
        sample_id=[f"{nasty}{i}" for i in range(n)],
        subgroups={nasty: rng.choice([nasty, "b"], n)},
        classes=(nasty + "0", nasty + "1"),
    )
    images = rng.random((n, 2, 2, 3)).astype(np.float32)
    report = clinical_report(
        cases,
        title=nasty,
        condition=nasty,
        facts={nasty: nasty},
        bootstrap=100,
        images=images,
        case_names=True,
    )
    for html in (report.to_html(), report._repr_html_()):
        page = read_page(html)
        assert page.unbalanced == []
        assert not {"script", "b"} & {tag for tag, _ in page.tags}
        assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
        assert nasty in page.text()
    assert "49" not in report._repr_html_().split("<table>")[0]


def test_ids_are_unique_and_every_reference_leads_somewhere(page):
    ids = page.ids()
    assert len(ids) == len(set(ids))
    known = set(ids)
    for _, attributes in page.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            for target in (attributes.get(name) or "").split():
                assert target in known
    targets = [a["href"][1:] for a in page.all("a")]
    assert set(targets) <= known
    assert "content" in targets


def test_headings_descend_one_step_at_a_time(page):
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_landmarks_language_and_viewport(page):
    for tag in ("header", "nav", "main", "footer", "h1", "title"):
        assert len(page.all(tag)) == 1, tag
    assert page.all("html") == [{"lang": "en"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


def test_contents_lists_every_section(page, full_report):
    keys = [section.key for section in full_report.document.sections]
    links = [a["href"] for a in page.all("a") if a.get("class") != "skip"]
    assert links == [f"#{key}" for key in keys]


def test_every_figure_has_words_and_its_numbers(page, full_report):
    charts = [a for a in page.all("svg") if a.get("class") == "chart"]
    ids = set(page.ids())
    assert len(charts) >= 8
    for chart in charts:
        assert chart["role"] == "img"
        assert chart["aria-labelledby"] in ids
    assert len(page.all("details")) == len(charts)


def test_every_table_has_a_caption_and_scopes(page):
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(a.get("scope") in {"col", "row"} for a in page.all("th"))


def test_images_have_text_alternatives(page):
    images = page.all("img")
    assert images
    assert all(a["alt"] for a in images)


def test_case_names_are_shown_only_when_asked_for(full_report, make_predictions):
    assert "images/0" not in full_report.to_html() + full_report.to_json() + full_report.to_text()
    assert "images/0" in clinical_report(make_predictions(), case_names=True, bootstrap=100).to_text()


def test_patient_ids_are_never_shown(make_predictions):
    cases = make_predictions(40)
    secret = [f"PATIENT-{name}" for name in cases.patient_id]
    report = clinical_report(cases.y_true, cases.probability, patients=secret, bootstrap=100)
    for text in (report.to_html(), report.to_json(), report.to_text(), report.to_markdown(), report.to_csv()):
        assert "PATIENT-" not in text


def test_a_large_test_set_makes_a_small_page(make_predictions):
    assert len(clinical_report(make_predictions(20_000), bootstrap=100).to_html()) < 400_000
