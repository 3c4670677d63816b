"""Sphinx configuration. Build with: sphinx-build -W --keep-going -b html docs docs/_build/html."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

from sphinx.application import Sphinx

from medimg_cnn import __version__

project = "medimg-cnn"
author = "The medimg-cnn authors"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"medimg-cnn {__version__}"
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "member-order": "groupwise", "show-inheritance": False}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# Signatures show the names of array types as they are written, not what they stand for.
autodoc_type_aliases = {
    name: name
    for name in (
        *("ArrayLike", "NDArray", "Figure", "Mapping", "Sequence", "Callable", "Literal"),
        *("BoolVector", "FloatVector", "Image", "ImageSize", "Images", "IntVector", "JsonValue"),
        *("PathLike", "StrVector"),
    )
}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def keep_plain_words(*event: Any) -> None:
    """Docstrings are plain English: a trailing underscore or bars around words are no markup there."""
    lines: list[str] = event[-1]
    for index, line in enumerate(lines):
        parts = re.split(r"(``.*?``)", line)
        for at in range(0, len(parts), 2):
            if ">>>" not in parts[at]:
                parts[at] = re.sub(r"(?<=\w)_(?!\w)", r"\\_", parts[at])
                parts[at] = re.sub(r"\|(?=\S[^|]*\|)", r"\\|", parts[at])
        lines[index] = "".join(parts)


_ARRAY_LIKE = re.compile(
    r"_Buffer \| .*?_NestedSequence\[(?:bool \| int \| float \| )?complex \| bytes \| str\]"
)


def shorten_signature(*event: Any) -> tuple[str | None, str | None]:
    """Give array types their names back where Sphinx has expanded or wrapped them."""
    signature, returns = (
        None
        if text is None
        else _ARRAY_LIKE.sub("ArrayLike", re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text))
        for text in event[-2:]
    )
    return signature, returns


def add_toctree(*event: Any) -> None:
    """Make the links of an index page its table of contents: the page itself is plain Markdown, readable anywhere."""
    app, docname, source = event
    if docname.rsplit("/", maxsplit=1)[-1] == "index":
        linked = re.findall(r"\]\(([\w-]+|[\w-]+/index)\.md\)", source[0])
        there = sorted(path.stem for path in Path(app.srcdir, docname).parent.glob("*.md"))
        pages = dict.fromkeys([*linked, *there])
        del pages["index"]
        source[0] += "\n".join(["\n```{toctree}", ":hidden:", "", *pages, "```", ""])


def setup(app: Sphinx) -> None:
    """Connect the hooks; the docstring's before napoleon, which runs at 500."""
    app.connect("source-read", add_toctree)
    app.connect("autodoc-process-signature", shorten_signature)
    app.connect("autodoc-process-docstring", keep_plain_words, priority=400)
