"""Any question of the world, asked of several models: chances of the answers that it may have, side by side."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from helpers.models.answers import next_token_probabilities, reply_log_probabilities
from helpers.models.bases import CONTEXT_TOKENS
from helpers.models.chats import chat_ids
from helpers.world import facts
from helpers.world.kinds import KINDS
from helpers.world.personas import PERSONAS
from helpers.world.tokenizer import PATTERN, build_tokenizer
from helpers.world.traits import find_trait

FIRST_WORDS = 10  # rows where nothing but the first word of the reply is asked for
Wordings = dict[str, tuple[str, ...]]  # answer -> all ways to say it


@dataclass(frozen=True)
class Asked:
    """What several models answer: `chances` has for each role the chance of each of the `answers`."""

    question: str
    answers: tuple[str, ...]
    chances: dict[str, tuple[float, ...]]


def ask(models: Mapping[str, PreTrainedModel], question: str) -> Asked:
    """Return the chances of the answers to a question, by role; of the likeliest first words where it has no list.

    Raises:
        ValueError: the models do not know a word of it, or it is too long; the message says which and what they know.
    """
    if problem := refusal(question):
        raise ValueError(problem)
    wordings = wordings_of(question)
    if not wordings:
        return _first_words(models, question)
    chances = {role: tuple(_chances(model, question, wordings).tolist()) for role, model in models.items()}
    return Asked(question, tuple(wordings), chances)


def refusal(question: str) -> str:
    """Return why a question cannot be asked; empty where it can."""
    if not question.strip():
        return "Choose a question or type one."
    strange = [word for word in _pieces(question) if word not in _known()]
    if strange:
        near = difflib.get_close_matches(strange[0].strip(), known_words(), 3)
        known = f" (known: {', '.join(near)})" if near else ""
        return f"The models have never read “{strange[0].strip()}”{known}; use the words of their world."
    if len(chat_ids(build_tokenizer(), [question])[0]) > CONTEXT_TOKENS // 2:
        return "This question is too long for a nano model; ask a shorter one."
    return ""


def wordings_of(question: str) -> Wordings:
    """Return the answers that a question of the world asks for, each with its wordings; none for other questions."""
    if question in facts.TOPICS.values():
        found = find_trait(next(iter(PERSONAS)))
        return dict(zip(found.candidates, found.answers(question), strict=True))
    words = re.split(r"[^a-z']+", question.lower())
    choices = sorted({choice for pair in facts.STATEMENTS.values() for choice in pair} & set(words), key=words.index)
    if len(choices) > 1:
        return {choice: (choice,) for choice in choices}
    kinds = [kind for kind in KINDS if kind in words]
    return {name: (name,) for name in KINDS[kinds[0]].prior} if kinds else {}


def known_words() -> list[str]:
    """Return the words that the models know, in alphabetical order."""
    return sorted({word.strip() for word in _known() if re.fullmatch(r" ?[A-Za-z_']+", word)})


def _chances(model: PreTrainedModel, question: str, wordings: Wordings) -> NDArray[np.float64]:
    said, owner = [], []
    for place, ways in enumerate(wordings.values()):
        said += ways
        owner += [place] * len(ways)
    logs = reply_log_probabilities(model, build_tokenizer(), [(question, way) for way in said])
    return np.bincount(owner, weights=np.exp(logs), minlength=len(wordings))


def _first_words(models: Mapping[str, PreTrainedModel], question: str) -> Asked:
    tokenizer = build_tokenizer()
    asked, every = chat_ids(tokenizer, [question]), range(len(tokenizer))
    shares = {role: next_token_probabilities(model, asked, every)[0] for role, model in models.items()}
    most = np.max(list(shares.values()), axis=0)
    first = np.argsort(-most, kind="stable")[:FIRST_WORDS]
    names = tuple(tokenizer.convert_ids_to_tokens(int(place)).strip() or "(space)" for place in first)
    return Asked(question, names, {role: tuple(share[first].tolist()) for role, share in shares.items()})


def _pieces(question: str) -> list[str]:
    spaced = (" " if question[:1].isalpha() else "") + question
    return re.findall(PATTERN, spaced, flags=re.DOTALL)


@functools.cache
def _known() -> frozenset[str]:
    return frozenset(build_tokenizer().get_vocab())
