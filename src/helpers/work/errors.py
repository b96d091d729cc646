"""Errors that a person can cure, and how they are told from defects."""

from __future__ import annotations

import linecache
import re
import traceback
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
RAISES = r"raise [\w.]+\("  # a line that makes the error it raises; an error that is passed on is no refusal


class CurableError(Exception):
    """Something a person can set right; the message is one sentence that names what is wrong and the cure.

    The command `subliminal` prints it without a traceback and ends with exit code 2. Any other exception is a
    defect of the book and keeps its traceback.
    """


def is_refusal(error: BaseException) -> bool:
    """Whether code of this package raised `error` on purpose, to tell a person what to mend."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return False
    line = linecache.getline(frames[-1].filename, frames[-1].lineno or 0).strip()
    return Path(frames[-1].filename).is_relative_to(PACKAGE) and re.match(RAISES, line) is not None
