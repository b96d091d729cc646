"""Text that somebody wrote, made safe for Markdown and HTML: it is shown as it stands and never acts as markup."""

from __future__ import annotations

import html
import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")  # all of ASCII; CommonMark lets a backslash stand before each
_HARMLESS = frozenset(".,:;()/%+-'=")  # no markup where a letter stands before them


def markdown(text: object) -> str:
    """Return `text` on one line for a place within a line of Markdown or MyST, as a cell of a table is.

    Marks that can begin markup, a link, a substitution or HTML get a backslash; line breaks become spaces.
    """
    line = " ".join(str(text).split())
    return _PUNCTUATION.sub(lambda found: _escaped(found.group(), found.start()), line)


def _escaped(mark: str, place: int) -> str:
    # at the beginning of a line some of the harmless ones would make a list or a heading
    return mark if mark in _HARMLESS and place else f"\\{mark}"


def markup(text: object) -> str:
    """Return `text` for HTML, between tags or within a quoted attribute."""
    return html.escape(str(text), quote=True)
