"""The one kind of error that a person can cure."""

from __future__ import annotations


class CurableError(Exception):
    """Something a person can set right; the message is one sentence that names what is wrong and the cure.

    The command `subliminal` prints it without a traceback and ends with exit code 2. Any other exception is a
    defect of the book and keeps its traceback.
    """
