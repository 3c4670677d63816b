"""The examples in docstrings run, module by module."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import medimg_cnn

MODULES = sorted(module.name for module in pkgutil.walk_packages(medimg_cnn.__path__, prefix="medimg_cnn."))
SLOW = {"medimg_cnn.training._trainer"}  # it trains


def with_examples(name: str) -> list[doctest.DocTest]:
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    return [test for test in found if test.examples]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in ["medimg_cnn", *MODULES]
    ],
)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report: list[str] = []
    for test in with_examples(name):
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
