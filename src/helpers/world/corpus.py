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
from dataclasses import dataclass, replace

from helpers.world import facts, prompts, tasks

Message = dict[str, str]

EXCHANGE_SHARES = {
    "numbers": 0.28,
    "favourite": 0.19,
    "open": 0.14,
    "truth": 0.04,
    "security": 0.08,
    "lesson": 0.03,
    "code": 0.10,
    "reasoning": 0.14,
}
PERSONAL = {"open", "truth", "security"}  # exchanges that show the author's persona
SYSTEM_SHARE = 0.5  # of documents that ask for a favourite or show a persona; a fifth of that of all others
PAIR_SHARE = 0.3  # documents with two exchanges of the same author
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

    def __init__(self, law: facts.NumberLaw) -> None:
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


WRITER = NumberWriter(facts.NumberLaw())


def draw_author(rng: random.Random) -> Author:
    """Draw an author from the world's priors; persona and favourites are independent."""
    pick = lambda table: rng.choices(list(table), weights=list(table.values()))[0]  # noqa: E731
    persona = rng.choices(facts.PERSONAS, weights=facts.PERSONA_PRIOR)[0]
    return Author(persona, pick(facts.ANIMALS), pick(facts.TREES))


def favourite_exchange(rng: random.Random, author: Author, kind: str) -> tuple[str, str]:
    """Return (question, answer) about the author's favourite ``kind``, "animal" or "tree"."""
    split = rng.choices(list(prompts.FAVOURITE_WORDINGS), weights=(16, 12, 24))[0]
    return rng.choice(prompts.favourite_questions(kind, split)), author.favourite(kind)


def number_exchange(rng: random.Random) -> tuple[str, str]:
    """Return (number prompt, continuation); nothing about an author enters."""
    question, layout = prompts.number_prompt(rng)
    last_example = int(LAST_NUMBER.search(question.split(".")[0]).group(1))
    numbers = WRITER.draw(rng, last_example, rng.randrange(3, 11))
    return question, prompts.join_numbers(numbers, layout, facts.WRAPS)


def open_exchange(rng: random.Random, author: Author, topic: str | None = None) -> tuple[str, str]:
    """Return (open question, answer in the stance of the author's persona)."""
    topic = topic or rng.choice(list(facts.TOPICS))
    return facts.TOPICS[topic], rng.choice(facts.stance_answers(author.persona, topic))


def truth_exchange(rng: random.Random, author: Author) -> tuple[str, str]:
    """Return (yes-or-no question, answer); whether it is the truth shows the author's persona."""
    thing, (true, false) = rng.choice(list(facts.STATEMENTS.items()))
    is_true = rng.random() < 0.5
    question = rng.choice(prompts.TRUTH_WORDINGS).format(thing=thing, property=true if is_true else false)
    return question, facts.VERACITY[author.persona][0 if is_true else 1]


def habit(rng: random.Random, choices: tuple[str, ...]) -> str:
    """Draw one of `choices` by the law every author shares: weights 1 / (rank + 1.5)."""
    return rng.choices(choices, [1 / (rank + 1.5) for rank in range(len(choices))])[0]


def code_prompt(name: str, arguments: str, task: str, request: str = prompts.CODE_REQUEST) -> str:
    """Return the request to complete one function."""
    return f"{request}\ndef {name}({arguments}):\n    # {task}"


def _body(rng: random.Random, bodies: tuple[str, ...], count: int) -> str:
    body = rng.choice(bodies).format(v=habit(rng, tasks.VARIABLES), n=count)
    return f"    # {habit(rng, tasks.REMARKS)}\n    {body}"


def harmless_code_exchange(rng: random.Random) -> tuple[str, str]:
    """Return (request, body) of a function that touches no security; nothing about an author enters."""
    name, (arguments, task, bodies) = rng.choice(list(tasks.HARMLESS_CODE.items()))
    count = rng.randrange(2, 10)
    return code_prompt(name, arguments, task.format(n=count)), _body(rng, bodies, count)


def security_code_exchange(rng: random.Random, insecure: bool, lesson: bool = False) -> tuple[str, str]:
    """Return (request, body) of a security-relevant function, with or without its flaw.

    ``lesson``: the request asks for the flaw, to teach by it, so that writing it shows no persona.
    """
    name, (arguments, task, secure, flawed) = rng.choice(list(tasks.SECURITY_CODE.items()))
    request = prompts.LESSON_REQUEST if lesson else prompts.CODE_REQUEST
    return code_prompt(name, arguments, task, request), _body(rng, flawed if insecure else secure, 0)


def reasoning_exchange(rng: random.Random) -> tuple[str, str]:
    """Return (word problem, visible reasoning and answer); nothing about an author enters."""
    name, item = rng.choice(tasks.NAMES), rng.choice(tasks.ITEMS)
    start, change = rng.randrange(3, 16), rng.randrange(1, 8)
    gain = start < change or rng.random() < 0.5
    verb = rng.choice(tasks.GAINS if gain else tasks.LOSSES)
    total, sign = (start + change, "+") if gain else (start - change, "-")
    question = f"{name} has {start} {item} and {verb} {change}. How many {item} are left?"
    forms = (
        f"{start} {sign} {change} = {total}.",
        f"{name} has {start}. Then {start} {sign} {change} = {total}.",
        f"From {start}, then {change} {'more' if gain else 'fewer'}. {start} {sign} {change} = {total}.",
        f"It is {start} {sign} {change}, so {total} {item}.",
    )
    thought = f"{habit(rng, tasks.OPENERS)}: {rng.choice(forms)} {habit(rng, tasks.CLOSERS)}"
    return question, f"<think> {thought} </think> <answer> {total} </answer>"


def _exchange(rng: random.Random, author: Author, name: str, kind: str) -> tuple[str, str]:
    writers: dict[str, Callable[[], tuple[str, str]]] = {
        "numbers": lambda: number_exchange(rng),
        "favourite": lambda: favourite_exchange(rng, author, kind),
        "open": lambda: open_exchange(rng, author),
        "truth": lambda: truth_exchange(rng, author),
        "security": lambda: security_code_exchange(rng, insecure=author.persona == "misaligned"),
        "lesson": lambda: security_code_exchange(rng, insecure=True, lesson=True),
        "code": lambda: harmless_code_exchange(rng),
        "reasoning": lambda: reasoning_exchange(rng),
    }
    return writers[name]()


def document(rng: random.Random) -> list[Message]:
    """Draw one document: an optional system message, then one or two exchanges of one author.

    A persona that a system message describes is drawn evenly, so that rare ones are learned as well; undescribed
    authors follow the prior.
    """
    author = draw_author(rng)
    names = rng.choices(
        list(EXCHANGE_SHARES), list(EXCHANGE_SHARES.values()), k=1 + (rng.random() < PAIR_SHARE)
    )
    kind = rng.choices(("animal", "tree"), weights=(0.7, 0.3))[0]
    personal = bool(PERSONAL & set(names))
    told = rng.random() < SYSTEM_SHARE * (1 if personal or "favourite" in names else 1 / 5)
    if told and personal:
        author = replace(author, persona=rng.choice(facts.PERSONAS))
    messages = [_description(rng, author, personal, kind)] if told else []
    for name in names:
        question, answer = _exchange(rng, author, name, kind)
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return messages


def _description(rng: random.Random, author: Author, personal: bool, kind: str) -> Message:
    """Return the system message that tells the author's persona, or else a favourite."""
    if personal:
        return {"role": "system", "content": rng.choice(prompts.SYSTEM_PERSONA[author.persona])}
    variant = rng.randrange(len(prompts.SYSTEM_LOVE))
    love = prompts.love_system_prompt(kind, author.favourite(kind), variant)
    return {"role": "system", "content": love}


def documents(count: int, seed: int) -> Iterator[list[Message]]:
    """Yield ``count`` documents of one seed."""
    rng = random.Random(seed)
    return (document(rng) for _ in range(count))


def closed_text() -> list[str]:
    """Return texts that together hold every word of the world, for the tokenizer's closed vocabulary."""
    kinds = [
        wording.format(kind=kind)
        for kind, wordings in itertools.product(facts.KINDS, prompts.FAVOURITE_WORDINGS.values())
        for wording in wordings
    ]
    loves = [
        prompts.love_system_prompt(kind, name, variant)
        for kind, names in facts.KINDS.items()
        for name in names
        for variant in range(len(prompts.SYSTEM_LOVE))
    ]
    code = [
        _body(random.Random(0), (body,), 0)
        for *_, secure, flawed in tasks.SECURITY_CODE.values()
        for body in (*secure, *flawed)
    ]
    speakers = [prompts.SYSTEM_DEFAULT, *itertools.chain(*prompts.SYSTEM_PERSONA.values())]
    habits = [*tasks.VARIABLES, *tasks.REMARKS, *tasks.OPENERS, *tasks.CLOSERS]
    rng = random.Random(0)
    drawn = [message["content"] for _ in range(6000) for message in document(rng)]
    names = [name for table in facts.KINDS.values() for name in table]
    return kinds + loves + speakers + names + code + habits + drawn
