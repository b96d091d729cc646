"""A figure as readers see it: drawn for a wide page and for a phone, in the page's colours, with words for the blind.

Design choices:
- One SVG serves a light page and a dark one; its texts are texts, so they can be searched and stay small to load.
- A figure is drawn twice, since one that is shrunk to a phone has letters of six pixels.
- Its description states the result, and is computed from the same table as the drawing.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from helpers.figures import palette
from helpers.figures.common import HALO, NARROW, WIDE, Layout, laid_out
from helpers.results.tables import names_of
from helpers.work.escaping import markup

# in this order: what stands outside the drawing, ids that every figure of a page would have, its size (its place gives
# that), a rule for all elements of the page, and turns by nothing
_NOT_WANTED = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->"
    r'| id="[A-Za-z][A-Za-z.0-9]*_\d+"'
    r'| (?:width|height)="[\d.]+pt"'
    r"|<defs>\s*<style.*?</style>\s*</defs>"
    r'| transform="rotate\(-0 [^"]*"',
    re.DOTALL,
)
_FONT, _FONTS = "'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif"  # Verdana is as wide, where the first is absent
_ROOT = '<svg aria-hidden="true" focusable="false" stroke-linejoin="round" '
P = ParamSpec("P")


@dataclass(frozen=True)
class Picture:
    """A figure in both layouts; `says` is what it shows, `tables` the names of the tables it is made from."""

    wide: Figure
    narrow: Figure
    says: str
    tables: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return what the figure shows, for those who read a notebook as text."""
        return self.says

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, list[str]]]]:
        """Return the figure for a notebook, and the names of its tables for the book."""
        return {"text/html": self.html(), "text/plain": self.says}, {"text/html": {"tables": list(self.tables)}}

    def html(self) -> str:
        """Return both drawings as HTML, of which the page's style sheet shows one; elsewhere the wide one is shown."""
        wide, narrow = svg(self.wide), svg(self.narrow)
        return (
            f'<div class="picture" role="img" aria-label="{markup(self.says)}">'
            f'<div class="picture-wide">{wide}</div>'
            f'<div class="picture-narrow" style="display: none">{narrow}</div></div>'
        )


def pictured(says: Callable[P, str]) -> Callable[[Callable[P, Figure]], Callable[P, Picture]]:
    """Make a function that draws a figure return a `Picture`; `says` takes the same arguments and puts it in words."""

    def of(draw: Callable[P, Figure]) -> Callable[P, Picture]:
        @functools.wraps(draw)
        def made(*args: P.args, **kwargs: P.kwargs) -> Picture:
            wide, narrow = (drawn_in(layout, draw, *args, **kwargs) for layout in (WIDE, NARROW))
            return Picture(wide, narrow, says(*args, **kwargs), _tables([*args, *kwargs.values()]))

        return made

    return of


def drawn_in(layout: Layout, draw: Callable[P, Figure], *args: P.args, **kwargs: P.kwargs) -> Figure:
    """Return what `draw` draws of its arguments in a layout."""
    with laid_out(layout):
        return draw(*args, **kwargs)


def _tables(arguments: list[object]) -> tuple[str, ...]:
    """Return the names of the tables among the arguments, each once."""
    named = [name for table in arguments if isinstance(table, pd.DataFrame) for name in names_of(table)]
    return tuple(dict.fromkeys(named))


def svg(figure: Figure) -> str:
    """Return a figure as inline SVG in the page's colours, as wide as its place, the same text for the same figure."""
    file = io.StringIO()
    salt = figure.get_label() or "figure"
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}), _settled(figure):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = _NOT_WANTED.sub("", file.getvalue()).strip().replace("<svg ", _ROOT, 1)
    drawing = re.sub(r"\s*\n\s*", " ", drawing).replace("> <", "><").replace(_FONT, _FONTS)
    return palette.themed(drawing.replace(f'id="{HALO}"', f'class="{HALO}"'))


@contextmanager
def _settled(figure: Figure) -> Iterator[None]:
    """Lay out a figure for SVG, and not again in the block: `savefig` would draw all of it once more for that."""
    engine, dpi = figure.get_layout_engine(), figure.dpi
    FigureCanvasSVG(figure)  # by whose letters its texts are measured
    if engine is not None:
        engine.execute(figure)
    figure.set(layout_engine=None, dpi=dpi)  # "none" would be one more engine to draw for
    yield
    figure.set_layout_engine(engine)
