"""Renderers: each turns a neutral document into one format, and knows nothing of statistics."""

from medimg_cnn.reporting.render._csv import csv_text, safe_cell
from medimg_cnn.reporting.render._html import render_html, render_html_summary
from medimg_cnn.reporting.render._json import block_to_dict
from medimg_cnn.reporting.render._latex import render_latex
from medimg_cnn.reporting.render._markdown import render_markdown
from medimg_cnn.reporting.render._text import render_text

__all__ = [
    "block_to_dict",
    "csv_text",
    "render_html",
    "render_html_summary",
    "render_latex",
    "render_markdown",
    "render_text",
    "safe_cell",
]
