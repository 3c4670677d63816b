"""Every public name has a docstring with an example that runs, and a place in the reference."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import medimg_cnn

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [
    "artifacts",
    "augmentations",
    "data",
    "data.phantoms",
    "errors",
    "evaluation",
    "explain",
    "export",
    "models",
    "reporting",
    "training",
]


def public() -> list[tuple[str, str]]:
    names = []
    for package in ["", *PACKAGES]:
        path = f"medimg_cnn.{package}".rstrip(".")
        names += [(path, name) for name in importlib.import_module(path).__all__]
    return names


def value(package: str, name: str) -> object:
    return getattr(importlib.import_module(package), name)


def is_documentable(package: str, name: str) -> bool:
    """Whether it can carry a docstring: functions and classes do, constants and type aliases do not."""
    found = value(package, name)
    return (inspect.isclass(found) or inspect.isfunction(found)) and getattr(
        found, "__module__", ""
    ).startswith("medimg_cnn")


def own_examples(found: object) -> str:
    texts = [getattr(found, "__doc__", "") or ""]
    if inspect.isclass(found):
        texts += [getattr(member, "__doc__", "") or "" for member in vars(found).values()]
    return "\n".join(text for text in texts if ">>>" in text)


def running_text() -> str:
    """All code that the tests run for the documentation: docstring examples and snippets of pages."""
    parts = [own_examples(value(*name)) for name in public() if is_documentable(*name)]
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        parts += re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)
    return "\n".join(parts)


RUNNING = running_text()


def callables() -> list:
    """Public functions, and the methods of public classes."""
    found = [value(*name) for name in public() if is_documentable(*name)]
    methods = [
        member
        for item in found
        if inspect.isclass(item)
        for member in vars(item).values()
        if callable(member)
    ]
    return [item for item in found if not inspect.isclass(item)] + methods


def is_shown(found: object) -> bool:
    """An example of its own, another that uses it, or one of a function that returns it."""
    name = found.__name__
    if own_examples(found) or re.search(rf"\b{name}\b", RUNNING):
        return True
    for other in callables():
        annotation = str(getattr(other, "__annotations__", {}).get("return", ""))
        if re.search(rf"\b{name}\b", annotation) and own_examples(other):
            return True
    return False


@pytest.mark.parametrize(("package", "name"), public(), ids=lambda text: text)
def test_a_public_name_exists_and_has_a_docstring(package, name):
    found = value(package, name)
    if isinstance(found, ModuleType) or is_documentable(package, name):
        text = inspect.getdoc(found) or ""
        assert len(text) > 15, "it needs a docstring"
        assert not text.startswith(f"{name}("), "a dataclass's generated signature is no docstring"


@pytest.mark.parametrize(
    ("package", "name"), [item for item in public() if is_documentable(*item)], ids=lambda text: text
)
def test_a_public_name_has_an_example(package, name):
    found = value(package, name)
    if inspect.isclass(found) and issubclass(found, BaseException):
        pytest.skip("errors are shown together, in the module's docstring")
    assert is_shown(found), "show it in an example: in its docstring or on a page of docs/"


def test_each_package_has_a_page():
    for package in PACKAGES:
        page = ROOT / "docs" / "reference" / f"{package.rpartition('.')[2]}.md"
        assert f".. automodule:: medimg_cnn.{package}\n" in page.read_text("utf-8")
        assert page.stem in (page.parent / "index.md").read_text("utf-8")
    listed = {name for name in medimg_cnn.__all__ if isinstance(value("medimg_cnn", name), ModuleType)}
    assert listed <= set(PACKAGES), "a new package needs a page in docs/reference"


@pytest.mark.slow
def test_the_documentation_builds_and_holds_every_public_name(tmp_path):
    pytest.importorskip(
        "sphinx", reason="the documentation's tools are not installed: pip install -e .[docs]"
    )
    pytest.importorskip("furo")
    from sphinx.util.inventory import InventoryFile

    target = tmp_path / "html"
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    with (target / "objects.inv").open("rb") as stream:
        inventory = InventoryFile.load(stream, "", lambda base, path: path)
    documented = {name for kind, items in inventory.items() if kind.startswith("py:") for name in items}
    home = (target / "reference" / "index.html").read_text("utf-8")
    missing = [
        f"{package}.{name}"
        for package, name in public()
        if (name not in home if package == "medimg_cnn" else f"{package}.{name}" not in documented)
    ]
    assert missing == []


def test_the_table_of_augmentations_has_each_with_its_arguments():
    from medimg_cnn import augmentations

    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) \|",
        (ROOT / "docs/reference/augmentations.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    public = [getattr(augmentations, name) for name in augmentations.__all__ if name != "AugmentationLayer"]
    kinds = [
        kind
        for kind in public
        if inspect.isclass(kind)
        and issubclass(kind, augmentations.Augmentation)
        and not inspect.isabstract(kind)
    ]
    assert sorted(name for name, _ in rows) == sorted(kind.__name__ for kind in kinds)
    for name, arguments in rows:
        assert set(re.findall(r"`(\w+)`", arguments)) <= set(
            inspect.signature(getattr(augmentations, name)).parameters
        )
