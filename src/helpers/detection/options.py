"""The options of `subliminal audit`, read with care: each that cannot be used is refused in one sentence."""

from __future__ import annotations

import argparse

from helpers.detection.audit import AuditSettings
from helpers.detection.reading import AuditError, Columns


def settings(given: argparse.Namespace) -> AuditSettings:
    """Return the settings of an audit from the command's options.

    Raises:
        AuditError: an option cannot be used.
    """
    limit = given.fail_above
    if limit is not None and not 0 <= limit <= 1:
        raise AuditError(f"an AUROC lies between 0 and 1; give --fail-above such as 0.6, not {limit:g}")
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
    words = [word.strip() for word in text.split(",")]
    return tuple(word for word in words if word)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(size) for size in text.split(",")))
    except ValueError:
        raise AuditError(f"--bags {text!r} is no list of whole numbers; give sizes such as 1,8,16,64") from None
