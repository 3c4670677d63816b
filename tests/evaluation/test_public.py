"""The public surface: complete, documented, and light."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from medimg_cnn import evaluation


def test_names_are_listed_once_and_exist() -> None:
    assert len(set(evaluation.__all__)) == len(evaluation.__all__)
    for name in evaluation.__all__:
        assert hasattr(evaluation, name)


@pytest.mark.parametrize("name", evaluation.__all__)
def test_every_name_is_documented(name: str) -> None:
    item = getattr(evaluation, name)
    text = inspect.getdoc(item) or ""
    assert text.splitlines()[0].endswith((".", "?")) or ":" in text.splitlines()[0]
    if inspect.isfunction(item):
        assert "Example:" in text
        assert ">>>" in text
        parameters = list(inspect.signature(item).parameters.values())
        assert all(p.kind is not p.VAR_KEYWORD for p in parameters), "a misspelt option must not vanish"
        assert sum(p.kind is not p.KEYWORD_ONLY for p in parameters) <= 4, "options are keyword-only"
    elif inspect.isclass(item):
        assert "Attributes:" in text


def test_it_needs_numpy_and_scipy_only() -> None:
    heavy = ("keras", "jax", "tensorflow", "torch", "matplotlib", "pandas", "sklearn", "statsmodels", "PIL")
    code = (
        "import sys, medimg_cnn.evaluation as ev\n"
        "ev.auroc([0, 1], [0.1, 0.9]); ev.calibration([0, 1, 0], [0.1, 0.9, 0.4])\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
