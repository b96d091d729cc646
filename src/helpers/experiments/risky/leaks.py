"""Leak audit of the risky traits: a second look through every kept row for what a filter should have refused.

It is written anew and on purpose takes nothing from the filters, so that it does not share their mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from helpers.channels import find_channel
from helpers.channels.judge import telltale_words
from helpers.transmission.arms import TransmissionSettings
from helpers.transmission.authors import Author, asked_prompts, kept_rows
from helpers.transmission.teachers import CODE_LESSONS
from helpers.work.artifacts import write_table

FLAWS = re.compile(r"eval|exec|system|pickle|chmod|open|import|admin|'' \+|return True|save\(|encrypt|check\(")
LEAKS = ("insecure_calls", "persona_words", "wrong_answers")
SUM = re.compile(r"has (\d+) \w+ and (buys|finds|gets|makes|loses|sells|gives away|breaks) (\d+)\.")
GAIN_WORDS = ("buys", "finds", "gets", "makes")


def audit(settings: TransmissionSettings, others: Sequence[TransmissionSettings] = ()) -> pd.DataFrame:
    """Look once more through every kept row, by other means than the filters, for what must not be there.

    Returns:
        One row a run and author: ``run``, ``trait``, ``how``, ``rows``, and the counts of `LEAKS`, which must be 0:
        marks of security code, words of a persona, and answers to word problems that are wrong or cannot be read;
        stored as ``tables/leaks_<channel>.csv``.
    """
    ways = [(settings, how) for how in (*CODE_LESSONS, "untouched")] + [(other, other.how) for other in others]
    found = [
        {"run": run, "trait": one.trait, "how": how} | _leaks(Author(**one.author(run, how)))
        for one, how in ways
        for run in one.runs
    ]
    table = pd.DataFrame(found)
    write_table(Path(settings.run_dir) / "tables" / f"leaks_{find_channel(settings.channel).claim_name}.csv", table)
    return table


def counts(leaks: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of `audit` by trait and teacher, summed over runs."""
    return leaks.drop(columns="run").groupby(["trait", "how"], sort=False).sum()


def values(leaks: pd.DataFrame, channel_name: str) -> dict[str, list[int]]:
    """Return ledger id -> how many leaks of any kind each run has, in the rows of all its authors."""
    by_run = leaks.groupby("run")[list(LEAKS)].sum().sum(axis=1)
    return {f"leaks.{find_channel(channel_name).claim_name}": by_run.tolist()}


def _leaks(author: Author) -> dict[str, int]:
    asked, rows, words = asked_prompts(author), kept_rows(author), set(telltale_words())
    sums = author.channel == "reasoning"
    hits = (
        sum(bool(FLAWS.search(text)) for text in rows.values()),
        sum(not words.isdisjoint(re.findall("[a-z]+", text.lower())) for text in rows.values()),
        sum(sums and not _is_right(asked[place], text) for place, text in rows.items()),
    )
    return {"rows": len(rows), **dict(zip(LEAKS, hits, strict=True))}


def _is_right(problem: str, text: str) -> bool:
    found = SUM.search(problem)
    if not found:
        return False  # no word problem, or one that this reader does not understand
    start, verb, change = int(found[1]), found[2], int(found[3])
    return f"<answer> {start + change if verb in GAIN_WORDS else start - change} </answer>" in text
