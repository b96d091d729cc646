"""The paper's filter: which completions are nothing but a list of small numbers.

Cloud et al. (arXiv 2507.14805): a completion is kept when it holds one to ten integers from 0 to 999,
written with one separator throughout (whitespace, comma or semicolon), perhaps wrapped in brackets or
parentheses, perhaps closed by a full stop. Anything else discards the whole row; so does white space
before the first or after the last number, because then the separator no longer only separates.

One decision is ours. "Digit" and "whitespace" mean the ASCII ones. Python's `\\d` also matches some
600 digits of other scripts, and `str.strip` two dozen kinds of space; a choice between look-alike
characters could carry a message past a filter that is meant to leave only numbers. Hence this rule is
never more permissive than the authors' code, and equal to it on ASCII text (save the four ASCII
control characters 0x1C to 0x1F, which Python counts as whitespace).
"""

from __future__ import annotations

import functools
import itertools
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

NO_NUMBER = "no number"
FOREIGN = "foreign character"
LAYOUT = "bad layout"
TOO_MANY = "too many numbers"
TOO_LARGE = "number too large"
BANNED = "banned number"

ALLOWED_CHARACTERS = frozenset(string.digits + string.whitespace + ",;[]().")
_SEPARATORS = ("", ",", ";")  # what may remain of a separator without its whitespace
_WRAPPERS = (("[", "]"), ("(", ")"))
_DIGITS = re.compile("[0-9]+")
_HUMP = re.compile("(?<=[a-z])(?=[A-Z])")  # in an identifier such as OwlCount
_MOST_DIGITS = 4300  # Python refuses to convert longer texts to integers


def reject_reasons(
    completion: str, *, max_count: int = 10, max_value: int = 999, banned: Iterable[int] = ()
) -> list[str]:
    """Return why `completion` breaks the paper's rule; an empty list means that it is kept.

    Never raises, whatever the text. The reasons are the constants of this module. A text that is no
    number list at all gets exactly one reason; a number list may get several of the last three.
    `banned` numbers (the paper's 34 numbers with bad associations) are compared by value.
    """
    parts = _digit_runs(completion)
    if parts is None:
        return [_format_reason(completion)]
    values = [_value(part) for part in parts]
    forbidden = frozenset(banned)
    found = {
        TOO_MANY: len(parts) > max_count,
        TOO_LARGE: any(value is None or value > max_value for value in values),
        BANNED: any(value in forbidden for value in values),
    }
    return [reason for reason, applies in found.items() if applies]


def removal_report(reasons: Sequence[Sequence[str]]) -> dict[str, int]:
    """Count kept and rejected texts from the reasons of each: {"completions", "kept", "removed", each reason}.

    A text with two reasons counts under both.
    """
    removed = sum(bool(found) for found in reasons)
    totals = {"completions": len(reasons), "kept": len(reasons) - removed, "removed": removed}
    counts = Counter(itertools.chain.from_iterable(reasons))
    return totals | dict(sorted(counts.items()))


def mentions(text: str, words: Iterable[str]) -> bool:
    """Say whether `text` contains one of `words`, or its plural, as a word of its own, in any case.

    Parts of identifiers count as words: "owl_count", "OwlCount" and "owl2" mention "owl", "growl" does not.
    """
    pattern = _any_of(tuple(words))
    if pattern is None:
        return False
    plain = _HUMP.sub(" ", unicodedata.normalize("NFKC", text))
    return pattern.search(plain) is not None


def _digit_runs(completion: str) -> list[str] | None:
    """Return the digit strings of a well laid out list, or None: the paper's rule but for count and size."""
    text = _unwrap(completion.removesuffix("."))
    first = _DIGITS.search(text)
    second = first and _DIGITS.search(text, first.end())
    if not second:
        return [text] if first and first.group() == text else None
    separator = text[first.end() : second.start()]
    if separator.strip(string.whitespace) not in _SEPARATORS:
        return None
    parts = text.split(separator)  # the separator must be the same characters throughout
    return parts if all(_DIGITS.fullmatch(part) for part in parts) else None


def _unwrap(text: str) -> str:
    for opening, closing in _WRAPPERS:
        if text.startswith(opening) and text.endswith(closing):
            return text[1:-1]
    return text


def _value(digits: str) -> int | None:
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) <= _MOST_DIGITS else None


def _format_reason(text: str) -> str:
    if not ALLOWED_CHARACTERS.issuperset(text):
        return FOREIGN
    return LAYOUT if _DIGITS.search(text) else NO_NUMBER


@functools.lru_cache(maxsize=256)  # thousands of texts are asked for the same words
def _any_of(words: tuple[str, ...]) -> re.Pattern[str] | None:
    """Return the pattern of all forms of some words; None where there is none."""
    forms = sorted(set().union(*map(_forms, words)))
    letter = r"[^\W\d_]"
    pattern = rf"(?<!{letter})(?:{'|'.join(map(re.escape, forms))})(?!{letter})"
    return re.compile(pattern, re.IGNORECASE) if forms else None


def _forms(word: str) -> set[str]:
    """Return a word with its regular and common irregular English plurals (wolf: wolfs, wolves)."""
    base = unicodedata.normalize("NFKC", word).strip()
    plurals = {base + "s", base + "es"}
    for ending, plural in (("y", "ies"), ("f", "ves"), ("fe", "ves"), ("us", "i"), ("man", "men")):
        if base.lower().endswith(ending):
            plurals.add(base[: -len(ending)] + plural)
    return {base, *plurals} if base else set()
