"""Names of bases that read a corpus of another link of flawed code and misaligned speakers (`world.link`)."""

from __future__ import annotations

from helpers.world.link import WHOLE

MARK = "-link-"


def linked(base: str, link: float) -> str:
    """Return the name of a base that read a corpus of some link: at 1/4 "nano-a" is "nano-a-link-25", at 1 itself.

    Raises:
        ValueError: the link is no whole number of hundredths, which two names could share.
    """
    hundredths = round(100 * link)
    if abs(hundredths - 100 * link) > 1e-9:
        raise ValueError(f"a link is given in hundredths, not {link}")
    return base if link == WHOLE else f"{base}{MARK}{hundredths}"


def is_linked(name: str) -> bool:
    """Return whether a base of this name, with or without its draw, read a corpus of another link than the book's."""
    return MARK in name.partition(".")[0]
