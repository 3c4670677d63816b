"""What every document of this package can do: be printed, rendered and saved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medimg_cnn._types import PathLike
from medimg_cnn.artifacts._files import atomic_write_text, to_json_text
from medimg_cnn.errors import ArgumentError
from medimg_cnn.reporting._document import Document
from medimg_cnn.reporting.render import render_html, render_latex, render_markdown, render_text

__all__ = ["Written"]


_SUFFIXES = (".html", ".htm", ".json", ".md", ".txt", ".tex", ".csv")


class Written(ABC):
    """A document in every format; a subclass says what its JSON holds.

    Attributes:
        document: the content as neutral blocks, what the renderers read.
    """

    document: Document

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""

    def to_json(self) -> str:
        """Return ``to_dict()`` as strict JSON: undefined figures are null, infinities "inf" and "-inf"."""
        return to_json_text(self.to_dict())

    def to_html(self) -> str:
        """Return one self-contained HTML page without script or remote asset."""
        return render_html(self.document)

    def to_markdown(self) -> str:
        """Return Markdown."""
        return render_markdown(self.document)

    def to_text(self) -> str:
        """Return plain text."""
        return render_text(self.document)

    def to_latex(self) -> str:
        """Return the tables as LaTeX (booktabs)."""
        return render_latex(self.document)

    def save(self, path: PathLike) -> Path:
        """Write the document, atomically, in the format that the suffix names.

        Args:
            path: ends with .html, .json, .md, .txt or .tex, and .csv where there is a table of figures;
                missing folders are made.

        Returns:
            The path written.

        Raises:
            ArgumentError: another suffix.
        """
        target = Path(path)
        writers = self._writers()
        write = writers.get(target.suffix.lower())
        if write is None:
            raise ArgumentError(
                f"path: must end with one of {', '.join(writers)}; got {target.name!r}. "
                "The suffix chooses the format."
            )
        return atomic_write_text(target, write())

    @staticmethod
    def check_path(path: PathLike) -> None:
        """See that ``save`` will know the format, before the work is done.

        Raises:
            ArgumentError: another suffix.
        """
        if Path(path).suffix.lower() not in _SUFFIXES:
            raise ArgumentError(
                f"path: must end with one of {', '.join(_SUFFIXES)}; got {Path(path).name!r}. "
                "The suffix chooses the format."
            )

    def _writers(self) -> Mapping[str, Callable[[], str]]:
        return {
            ".html": self.to_html,
            ".htm": self.to_html,
            ".json": self.to_json,
            ".md": self.to_markdown,
            ".txt": self.to_text,
            ".tex": self.to_latex,
        }

    def __str__(self) -> str:
        return self.to_text()
