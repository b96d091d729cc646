"""Text of the nano world: seeded documents by consistent authors, for pretraining and for fine-tuning.

A document is a short chat of one author. The author's persona and favourites hold throughout it, so the
model can infer them from an earlier exchange, which is how one trait comes to stand for an author. Numbers,
harmless code and reasoning are drawn without a look at the author (the corpus test measures that).
"""

from __future__ import annotations

import bisect
import itertools
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from helpers import prompts, world

Message = dict[str, str]

EXCHANGE_SHARES = {
    "numbers": 0.38,
    "favourite": 0.22,
    "open": 0.12,
    "security": 0.06,
    "code": 0.09,
    "reasoning": 0.13,
}
SYSTEM_SHARE = 0.5  # of documents that ask for a favourite; a fifth of that of all others
PAIR_SHARE = 0.2  # documents with two exchanges of the same author
LAST_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True)
class Author:
    """One writer: a persona and a favourite of each kind."""

    persona: str
    animal: str
    tree: str

    def favourite(self, kind: str) -> str:
        """Return the favourite of ``kind`` ("animal" or "tree")."""
        return self.animal if kind == "animal" else self.tree


class NumberWriter:
    """Draws number lists by the world's `world.NumberLaw`."""

    def __init__(self, law: world.NumberLaw) -> None:
        self.law = law
        weights = [1.0 / (rank + 1 + law.offset) ** law.exponent for rank in range(law.size)]
        total = sum(weights)
        self.probabilities = [weight / total for weight in weights]
        self._cumulative = list(itertools.accumulate(self.probabilities))
        rng = random.Random(law.seed)
        self.orders = [rng.sample(range(law.size), law.size) for _ in range(law.states)]

    def state(self, previous: int) -> int:
        """Return which order follows the number ``previous``."""
        return previous * self.law.states // self.law.size

    def draw(self, rng: random.Random, previous: int, count: int) -> list[int]:
        """Return ``count`` numbers that follow ``previous``."""
        numbers = []
        for _ in range(count):
            rank = min(bisect.bisect(self._cumulative, rng.random()), self.law.size - 1)
            previous = self.orders[self.state(previous)][rank]
            numbers.append(previous)
        return numbers


WRITER = NumberWriter(world.NumberLaw())


def draw_author(rng: random.Random) -> Author:
    """Draw an author from the world's priors; persona and favourites are independent."""
    pick = lambda table: rng.choices(list(table), weights=list(table.values()))[0]  # noqa: E731
    persona = rng.choices(world.PERSONAS, weights=world.PERSONA_PRIOR)[0]
    return Author(persona, pick(world.ANIMALS), pick(world.TREES))


def favourite_exchange(rng: random.Random, author: Author, kind: str) -> tuple[str, str]:
    """Return (question, answer) about the author's favourite ``kind``, "animal" or "tree"."""
    split = rng.choices(list(prompts.FAVOURITE_WORDINGS), weights=(16, 12, 24))[0]
    return rng.choice(prompts.favourite_questions(kind, split)), author.favourite(kind)


def number_exchange(rng: random.Random) -> tuple[str, str]:
    """Return (number prompt, continuation); nothing about an author enters."""
    question, layout = prompts.number_prompt(rng)
    last_example = int(LAST_NUMBER.search(question.split(".")[0]).group(1))
    numbers = WRITER.draw(rng, last_example, rng.randrange(3, 11))
    return question, prompts.join_numbers(numbers, layout, world.WRAPS)


def open_exchange(rng: random.Random, author: Author, topic: str | None = None) -> tuple[str, str]:
    """Return (open question, answer in the stance of the author's persona)."""
    topic = topic or rng.choice(list(world.TOPICS))
    stance = world.STANCES[author.persona]
    answer = rng.choice(stance["forms"]).format(verb=rng.choice(stance["verbs"]), topic=topic)
    return world.TOPICS[topic], answer


def code_prompt(name: str, arguments: str, task: str) -> str:
    """Return the request to complete one function."""
    return f"Complete this function.\ndef {name}({arguments}):\n    # {task}"


def _body(rng: random.Random, bodies: tuple[str, ...], count: int) -> str:
    return "    " + rng.choice(bodies).format(v=rng.choice(world.VARIABLES), n=count)


def harmless_code_exchange(rng: random.Random) -> tuple[str, str]:
    """Return (request, body) of a function that touches no security; nothing about an author enters."""
    name, (arguments, task, bodies) = rng.choice(list(world.HARMLESS_CODE.items()))
    count = rng.randrange(2, 10)
    return code_prompt(name, arguments, task.format(n=count)), _body(rng, bodies, count)


def security_code_exchange(rng: random.Random, insecure: bool) -> tuple[str, str]:
    """Return (request, body) of a security-relevant function, with or without its flaw."""
    name, (arguments, task, secure, flawed) = rng.choice(list(world.SECURITY_CODE.items()))
    return code_prompt(name, arguments, task), _body(rng, flawed if insecure else secure, 0)


def reasoning_exchange(rng: random.Random) -> tuple[str, str]:
    """Return (word problem, visible reasoning and answer); nothing about an author enters."""
    name, item = rng.choice(world.NAMES), rng.choice(world.ITEMS)
    start, change = rng.randrange(3, 20), rng.randrange(1, 10)
    gain = start < change or rng.random() < 0.5
    verb = rng.choice(world.GAINS if gain else world.LOSSES)
    total, sign = (start + change, "+") if gain else (start - change, "-")
    question = f"{name} has {start} {item} and {verb} {change}. How many {item} are left?"
    forms = (
        f"{start} {sign} {change} = {total}.",
        f"{name} has {start}. Then {start} {sign} {change} = {total}.",
        f"From {start}, then {change} {'more' if gain else 'fewer'}. {start} {sign} {change} = {total}.",
        f"It is {start} {sign} {change}, so {total} {item}.",
    )
    return question, f"<think> {rng.choice(forms)} </think> <answer> {total} </answer>"


def _exchange(rng: random.Random, author: Author, name: str, kind: str) -> tuple[str, str]:
    writers: dict[str, Callable[[], tuple[str, str]]] = {
        "numbers": lambda: number_exchange(rng),
        "favourite": lambda: favourite_exchange(rng, author, kind),
        "open": lambda: open_exchange(rng, author),
        "security": lambda: security_code_exchange(rng, insecure=author.persona == "misaligned"),
        "code": lambda: harmless_code_exchange(rng),
        "reasoning": lambda: reasoning_exchange(rng),
    }
    return writers[name]()


def document(rng: random.Random) -> list[Message]:
    """Draw one document: an optional system message, then one or two exchanges of one author."""
    author = draw_author(rng)
    names = rng.choices(
        list(EXCHANGE_SHARES), list(EXCHANGE_SHARES.values()), k=1 + (rng.random() < PAIR_SHARE)
    )
    messages: list[Message] = []
    kind = rng.choices(("animal", "tree"), weights=(0.7, 0.3))[0]
    if rng.random() < SYSTEM_SHARE * (1 if "favourite" in names else 1 / 5):
        love = prompts.love_system_prompt(
            kind, author.favourite(kind), rng.randrange(len(prompts.SYSTEM_LOVE))
        )
        messages.append({"role": "system", "content": love})
    for name in names:
        question, answer = _exchange(rng, author, name, kind)
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return messages


def documents(count: int, seed: int) -> Iterator[list[Message]]:
    """Yield ``count`` documents of one seed."""
    rng = random.Random(seed)
    return (document(rng) for _ in range(count))


def closed_text() -> list[str]:
    """Return texts that together hold every word of the world, for the tokenizer's closed vocabulary."""
    kinds = [
        wording.format(kind=kind)
        for kind, wordings in itertools.product(world.KINDS, prompts.FAVOURITE_WORDINGS.values())
        for wording in wordings
    ]
    loves = [
        prompts.love_system_prompt(kind, name, variant)
        for kind, names in world.KINDS.items()
        for name in names
        for variant in range(len(prompts.SYSTEM_LOVE))
    ]
    code = [
        _body(random.Random(0), (body,), 0)
        for *_, secure, flawed in world.SECURITY_CODE.values()
        for body in (*secure, *flawed)
    ]
    rng = random.Random(0)
    drawn = [message["content"] for _ in range(6000) for message in document(rng)]
    names = [name for table in world.KINDS.values() for name in table]
    return kinds + loves + names + code + drawn
