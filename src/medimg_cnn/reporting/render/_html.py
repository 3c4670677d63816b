"""One self-contained HTML file: no script, no remote asset, and a policy that allows neither."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from medimg_cnn._version import __version__
from medimg_cnn.evaluation import Estimate
from medimg_cnn.reporting._document import Document, Figure, KeyFigure
from medimg_cnn.reporting._format import interval_text, number_text, percent_text
from medimg_cnn.reporting.charts import draw_svg
from medimg_cnn.reporting.render._cells import badge
from medimg_cnn.reporting.render._json import kind_of

if TYPE_CHECKING:
    from jinja2 import Environment, Template
    from markupsafe import Markup

__all__ = ["render_html", "render_html_summary"]

_SUMMARY = """\
<div><p><strong>{{ title }}</strong><br>{{ subtitle }}</p>
<table><thead><tr><th scope="col">Figure</th><th scope="col">Value</th><th scope="col">Interval</th></tr></thead>
<tbody>{% for item in items %}<tr><th scope="row">{{ item.label }}</th>
{% if item.estimate.value != item.estimate.value %}<td colspan="2">not defined: {{ item.estimate.reason }}</td>
{% else %}<td>{{ item.estimate.value | number(3) }}</td><td>{{ item.estimate | interval(3) }}
{%- if item.estimate.reason %}; take care: {{ item.estimate.reason }}{% endif %}</td>{% endif %}</tr>
{% endfor %}</tbody></table>
<p>{{ note }}</p></div>
"""


def render_html(document: Document) -> str:
    """Return the document as one HTML page.

    Every text is escaped. The style sheet is allowed by its hash, so that nothing else is: no script,
    no inline style, no request to anywhere.
    """
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    from markupsafe import Markup

    return _page().render(
        document=document,
        style=Markup(style),  # noqa: S704 - our own file, held by its hash
        style_hash=f"sha256-{digest}",
        generator=f"medimg-cnn {__version__}",
    )


def render_html_summary(title: str, subtitle: str, items: Sequence[KeyFigure], note: str) -> str:
    """Return a short HTML fragment for a notebook: the main figures, without style of its own."""
    template = _environment().from_string(_SUMMARY)
    return template.render(title=title, subtitle=subtitle, items=items, note=note)


@cache
def _page() -> Template:
    source = resources.files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    return _environment().from_string(source)


@cache
def _style() -> str:
    return resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        {
            "badge": badge,
            "data_url": lambda png: "data:image/png;base64," + base64.b64encode(png).decode("ascii"),
            "interval": lambda value, digits, percent=False: interval_text(
                value, digits=digits, percent=percent
            ),
            "kind": kind_of,
            "level": lambda value: f"{100 * value:g}%",
            "number": number_text,
            "percent": percent_text,
            "strip": _strip,
            "svg": _svg,
        }
    )
    environment.tests["estimate"] = lambda value: isinstance(value, Estimate)
    return environment


def _svg(figure: Figure) -> Markup:
    from markupsafe import Markup

    return Markup(draw_svg(figure.chart, key=figure.key, alt=figure.alt, alt_id=f"fr-{figure.key}"))  # noqa: S704 - escaped within


def _strip(estimate: Estimate) -> Markup:
    """A thin scale from 0 to 1 with the interval and the value; nothing for figures on other scales."""
    from markupsafe import Markup

    ends: list[Any] = [estimate.lower, estimate.value, estimate.upper]
    if not all(math.isfinite(end) and 0 <= end <= 1 for end in ends):
        return Markup()
    low, value, high = (2 + 196 * end for end in ends)
    return Markup(  # noqa: S704 - numbers only
        '<svg class="strip" viewBox="0 0 200 10" preserveAspectRatio="none">'
        '<path class="track" d="M0 5H200"/>'
        f'<path class="span" d="M{low:.1f} 5H{max(high, low + 1):.1f}"/>'
        f'<rect class="dot" x="{value - 1:.1f}" y="0" width="2" height="10"/></svg>'
    )
