"""What values took: seconds of the draws computed here, and of published ones what they took where they were computed.

A run that takes rows from results/ spends no time on them. Telling its own seconds alone would make what was costly
look free as soon as it is published again.
"""

from __future__ import annotations

from collections.abc import Collection


def joined_seconds(
    here: float, before: float | None, taken: Collection[int], known: Collection[int]
) -> float | None:
    """Return the seconds of all draws: those computed here, and as large a part of the others' as is still in use.

    Args:
        here: seconds of the draws computed here.
        before: seconds of all `known` draws where they were computed; None where nobody noted them.
        taken: the draws whose published values are used.
        known: the draws that are published.

    Returns:
        Seconds; None where published values are used and nobody knows what they took.
    """
    if not taken:
        return here
    if before is None or not known:
        return None
    return here + before * min(1.0, len(taken) / len(known))
