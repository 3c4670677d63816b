"""Drafts of reporting checklists: complete, honest about what is asked, never filled with nothing."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest

from medimg_cnn.errors import ArgumentError
from medimg_cnn.reporting import clinical_report
from medimg_cnn.reporting.checklists import GUIDELINES, GuidelineName, Item
from medimg_cnn.reporting.checklists._facts import FACTS

NAMES = list(get_args(GuidelineName))
SHARED_NAMES = {
    "stard-2015": "STARD2015",
    "stard-ai": "STARD_AI",
    "claim-2024": "CLAIM2024",
    "tripod-ai": "TRIPOD_AI",
}


@pytest.mark.parametrize("name", NAMES)
def test_items_are_numbered_once_and_in_order(name):
    found = [item.number for item in GUIDELINES[name].items]
    assert len(found) == len(set(found))
    order = [(int(re.match(r"\d+", number).group(0)), number) for number in found]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("name", "items", "last"),
    [("stard-2015", 34, 30), ("stard-ai", 48, 40), ("claim-2024", 44, 44), ("tripod-ai", 52, 27)],
)
def test_each_guideline_has_all_its_items(name, items, last):
    found = GUIDELINES[name].items
    assert len(found) == items
    assert {int(re.match(r"\d+", item.number).group(0)) for item in found} == set(range(1, last + 1))


@pytest.mark.parametrize("name", NAMES)
def test_what_can_be_computed_is_not_left_to_the_author(name, shared, full_report):
    plan = json.loads((shared / "guideline_items.json").read_text(encoding="utf-8"))[SHARED_NAMES[name]]
    known = {entry.item.number: entry for entry in full_report.checklist(name).entries}
    for line in plan["auto"]:
        for number in re.match(r"[\da-z/]+", line).group(0).split("/"):
            assert known[number].said, (number, line)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_author_answers_what_only_the_author_knows(name, shared, full_report):
    plan = json.loads((shared / "guideline_items.json").read_text(encoding="utf-8"))[SHARED_NAMES[name]]
    plain = [text.split(" ")[0] for text in plan["ask"] if re.fullmatch(r"\d+[a-z]?", text.split(" ")[0])]
    known = {entry.item.number: entry for entry in full_report.checklist(name).entries}
    assert all(known[number].item.question for number in plain)


@pytest.mark.parametrize("name", NAMES)
def test_status_follows_from_what_is_said_and_asked(name, full_report):
    for report in (full_report, clinical_report([0, 1], [0.2, 0.9], bootstrap=100)):
        draft = report.checklist(name)
        for entry in draft.entries:
            expected = "to answer" if not entry.said else "in part" if entry.item.question else "filled"
            assert entry.status == expected
        assert len(draft.questions) == sum(entry.status != "filled" for entry in draft.entries)


def test_without_a_run_nothing_is_said_of_training():
    draft = clinical_report([0, 1], [0.2, 0.9], bootstrap=100).checklist("claim-2024")
    entries = {entry.item.number: entry for entry in draft.entries}
    assert entries["25"].status == "to answer"
    assert entries["19"].status == "to answer"
    assert entries["38"].status == "filled"


def test_every_fact_is_used_and_every_item_names_a_known_one():
    used = {item.fact for guideline in GUIDELINES.values() for item in guideline.items if item.fact}
    assert used == set(FACTS)


@pytest.mark.parametrize("suffix", ["html", "md", "txt", "tex", "json"])
def test_drafts_are_saved_in_every_format(full_report, tmp_path, suffix, read_page):
    path = full_report.checklist("tripod-ai").save(tmp_path / f"draft.{suffix}")
    text = path.read_text(encoding="utf-8")
    assert ("Items on methods" if suffix == "tex" else "Collins et al. 2024") in " ".join(text.split())
    if suffix == "html":
        page = read_page(text)
        assert page.unbalanced == []
        assert len(page.ids()) == len(set(page.ids()))
    with pytest.raises(ArgumentError, match="path: must end with one of"):
        full_report.checklist("tripod-ai").save(tmp_path / "draft.docx")


def test_an_unknown_guideline_is_refused_with_the_known_ones(full_report):
    with pytest.raises(ArgumentError, match="name: must be one of 'stard-2015', 'stard-ai'"):
        full_report.checklist("consort")


def test_an_item_says_or_asks_something():
    with pytest.raises(ArgumentError, match="item 3 needs a fact or a question"):
        Item(number="3", part="Methods", topic="t")
