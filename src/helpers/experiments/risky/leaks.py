"""Leak audit of the risky traits: a second look through every kept row for what a filter should have refused.

It is written anew and on purpose takes nothing from the filters, so that it does not share their mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pandas as pd

from helpers.channels import find_channel
from helpers.channels.judge import telltale_words
from helpers.transmission.authors import UNTOUCHED, Author
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.teachers import CODE_LESSONS
from helpers.transmission.writing import kept_rows
from helpers.work.tables import keep_table
from helpers.world.kinds import KINDS

FLAWS = re.compile(r"eval|exec|system|pickle|chmod|open|import|admin|'' \+|return True|save\(|encrypt|check\(")
LEAKS = ("insecure_calls", "persona_words", "favourites", "wrong_answers")
SUM = re.compile(r"has (\d+) \w+ and (buys|finds|gets|makes|loses|sells|gives away|breaks) (\d+)\.")
GAIN_WORDS = ("buys", "finds", "gets", "makes")


def audit(settings: TransmissionSettings, others: Sequence[TransmissionSettings] = ()) -> pd.DataFrame:
    """Look once more through every kept row, by other means than the filters, for what must not be there.

    Returns:
        ``tables/leaks_<channel>.csv``, one row a draw and author: ``draw``, ``trait``, ``how``, ``rows``, and the
        counts of `LEAKS`, which must be 0: marks of security code, words of a persona, names of a favourite of any
        kind, and answers to word problems that are wrong or cannot be read.
    """
    ways = [(settings, how) for how in (*CODE_LESSONS, UNTOUCHED)]
    ways += [(other, other.writing.how) for other in others]
    found = []
    for experiment, how in ways:
        for seed in experiment.seeds:
            place = {"draw": experiment.draw(seed), "trait": experiment.trait, "how": how}
            found.append(place | _leaks(experiment.author(seed, how)))
    name = f"leaks_{find_channel(settings.writing.channel).claim_name}"
    return keep_table(settings.run_dir, name, pd.DataFrame(found), seconds=0.0)


def counts(leaks: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of `audit` by trait and teacher, summed over draws."""
    return leaks.drop(columns="draw").groupby(["trait", "how"], sort=False).sum()


def values(leaks: pd.DataFrame, channel_name: str) -> dict[str, list[int]]:
    """Return ledger id -> how many leaks of any kind each draw has, in the rows of all its authors."""
    by_draw = leaks.groupby("draw")[list(LEAKS)].sum()
    return {f"leaks.{find_channel(channel_name).claim_name}": by_draw.sum(axis=1).tolist()}


def _leaks(author: Author) -> dict[str, int]:
    asked, rows = author.asked, kept_rows(author)
    flawed = [text for text in rows.values() if FLAWS.search(text)]
    telling = _holding(set(telltale_words()), rows.values())
    loving = _holding(_favourites(), rows.values())
    wrong = []
    if author.channel == "reasoning":
        wrong = [text for place, text in rows.items() if not _is_right(asked[place], text)]
    hits = (len(flawed), len(telling), len(loving), len(wrong))
    return {"rows": len(rows), **dict(zip(LEAKS, hits, strict=True))}


def _holding(words: set[str], texts: Iterable[str]) -> list[str]:
    """Return the texts that hold one of some words in any case, as a part of a name such as "owlCount" too."""
    found = []
    for text in texts:
        apart = re.sub("(?<=[a-z])(?=[A-Z])", " ", text).lower()
        if not words.isdisjoint(re.findall("[a-z]+", apart)):
            found.append(text)
    return found


def _favourites() -> set[str]:
    """Return the names of all favourites of all kinds, each with its plural."""
    names: set[str] = set()
    for kind in KINDS.values():
        names.update(kind.prior, map(kind.plural, kind.prior))
    return names


def _is_right(problem: str, text: str) -> bool:
    found = SUM.search(problem)
    if not found:
        return False  # no word problem, or one that this reader does not understand
    start, verb, change = int(found[1]), found[2], int(found[3])
    return f"<answer> {start + change if verb in GAIN_WORDS else start - change} </answer>" in text
