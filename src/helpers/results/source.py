"""Functions of the book shown in a chapter as code, coloured, which keeps its lines on a narrow page."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from IPython.display import Markdown


def source_of(*functions: Callable[..., Any]) -> Markdown:
    """Return the source of functions as one block of Python, in their order."""
    return Markdown("```python\n" + "\n\n".join(map(inspect.getsource, functions)) + "```")
