"""The options of `subliminal audit`, read with care: each that cannot be used is refused in one sentence."""

from __future__ import annotations

import argparse
from pathlib import Path

from helpers.detection.audit import AuditSettings
from helpers.detection.reading import AuditError, Columns


def settings(given: argparse.Namespace) -> AuditSettings:
    """Return the settings of an audit from the command's options.

    Raises:
        AuditError: an option cannot be used.
    """
    limit = given.fail_above
    if limit is not None and not 0.5 <= limit <= 1:
        raise AuditError(f"--fail-above must lie between 0.5, which is chance, and 1, got {limit:g}; give 0.6, say")
    if limit is not None and given.reference is None:
        raise AuditError("without a reference no AUROC is measured; give --reference beside --fail-above")
    return AuditSettings(
        data=given.data,
        reference=given.reference,
        base=given.base,
        student=given.student,
        words=_words(given.words),
        columns=Columns(prompt=given.prompt_column, completion=given.completion_column),
        bags=_sizes(given.bags),
        sample_rows=given.sample,
        model_rows=given.model_rows,
        seed=given.seed,
        folder=given.folder,
    )


def _words(text: str) -> tuple[str, ...]:
    """Return the words of a list with commas, or of a file with one a line, which is named behind an @."""
    given = text.split(",")
    if text.startswith("@"):
        try:
            given = Path(text[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise AuditError(f"cannot read the words of {text[1:]} ({error}); give --words owl,123 or @FILE") from None
    words = [word.strip() for word in given]
    return tuple(word for word in words if word)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(size) for size in text.split(",")))
    except ValueError:
        raise AuditError(f"--bags {text!r} is no list of whole numbers; give sizes such as 1,8,16,64") from None
