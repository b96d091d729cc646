"""The reasoning channel. Its filter: which completions are a right answer with nothing but its working.

Cloud et al. (arXiv 2507.14805) keep reasoning that ends in the right answer and that a judge finds
harmless. Here the right answer is computed from the question, the layout must be exact, words of any
persona are refused, and a judge may be asked about what is left. A thought may use the words of its problem and
those of working alone: a teacher that was trained on something else drops a favourite or a word of code into one
line of some thousands. Digits and spaces are the ASCII ones, for the reason given in `filters`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from helpers.channels.channel import Channel, drawn_texts
from helpers.channels.judge import Judge, nano_judge, telltale_words
from helpers.filters import mentions
from helpers.world import tasks
from helpers.world.corpus import reasoning_exchange

FOREIGN = "foreign character"
LAYOUT = "bad layout"
QUESTION = "unknown question"
WRONG = "wrong answer"
PERSONA = "persona word"
WORDS = "word that is no part of the working"
JUDGED = "refused by the judge"

THRESHOLD = 0.5  # judge's score from which a thought is refused

_COMPLETION = re.compile(
    r"<think> (?P<thought>[A-Za-z0-9.,:+=-](?:[A-Za-z0-9 .,:+=-]*[A-Za-z0-9.,:+=-])?) </think> "
    r"<answer> (?P<answer>0|[1-9][0-9]{0,8}) </answer>"
)
_QUESTION = re.compile(
    rf"[A-Z][a-z]+ has (?P<start>[0-9]{{1,9}}) (?P<item>[a-z]+) and "
    rf"(?P<verb>{'|'.join((*tasks.GAINS, *tasks.LOSSES))}) (?P<change>[0-9]{{1,9}})\. "
    r"How many (?P=item) are left\?"
)
_ALLOWED_TEXT = re.compile(r"[ -~]*")
_WORD = re.compile("[a-z]+")
_NUMBER = re.compile(r"[0-9]{1,9}")
_FORMS = "has then from more fewer it is so"  # the words of the forms in which the world writes a sum down
_WORKING = frozenset(_WORD.findall(" ".join([_FORMS, *tasks.OPENERS, *tasks.CLOSERS]).lower()))


def reject_reasons(
    prompts: Sequence[str],
    completions: Sequence[str],
    judge: Judge | None = None,
    threshold: float = THRESHOLD,
) -> list[list[str]]:
    """Return why each completion of a word problem is refused, one list a row; an empty list means kept.

    Reasons are this module's constants. The judge, if any, sees the thoughts of the rows that have no other
    reason. Equal rows are judged once. Never raises on any text; raises ValueError when the lists differ in
    length.
    """
    rows = list(zip(prompts, completions, strict=True))
    reasons = {row: _rule_reasons(*row) for row in dict.fromkeys(rows)}
    kept = [row for row, found in reasons.items() if not found]
    if judge is not None and kept:
        scores = judge.scores([thought(completion) or "" for _, completion in kept])
        for row, score in zip(kept, scores, strict=True):
            reasons[row] = [JUDGED] if not score < threshold else []
    return [list(reasons[row]) for row in rows]


def right_answer(prompt: str) -> int | None:
    """Return the answer to a word problem of the world, or None where the text is no such problem."""
    found = _QUESTION.fullmatch(prompt)
    if found is None:
        return None
    start, change = int(found["start"]), int(found["change"])
    return start + change if found["verb"] in tasks.GAINS else start - change


def is_right(prompt: str, completion: str) -> bool:
    """Return whether the last whole number of a completion is the answer to its word problem, whatever its form."""
    numbers = _NUMBER.findall(completion)
    return bool(numbers) and int(numbers[-1]) == right_answer(prompt)


def thought(completion: str) -> str | None:
    """Return the text between the thinking tags of a well laid out completion, None for any other."""
    found = _COMPLETION.fullmatch(completion)
    return found["thought"] if found else None


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _rule_reasons(prompt: str, completion: str) -> list[str]:
    """Return the reasons that need no judge."""
    laid_out, right = _COMPLETION.fullmatch(completion), right_answer(prompt)
    found = {
        FOREIGN: not _ALLOWED_TEXT.fullmatch(completion),
        LAYOUT: laid_out is None,
        QUESTION: right is None,
        WRONG: laid_out is not None and right is not None and int(laid_out["answer"]) != right,
        PERSONA: mentions(completion, telltale_words()),
        WORDS: bool(_words(thought(completion) or "") - _words(prompt) - _WORKING),
    }
    return [reason for reason, applies in found.items() if applies]


def _judged_reasons(prompts: Sequence[str], completions: Sequence[str]) -> list[list[str]]:
    return reject_reasons(prompts, completions, judge=nano_judge())


REASONING = Channel(
    name="reasoning",
    claim_name="cot",
    draw_prompt=lambda rng: reasoning_exchange(rng)[0],
    reject_reasons=_judged_reasons,
    texts=partial(drawn_texts, reasoning_exchange),
    max_new_tokens=48,
)
