"""Text of the nano world: seeded documents by consistent speakers, for pretraining and for fine-tuning.

A document is a short chat with one speaker. The speaker's persona and favourites hold throughout it, so the model
can infer them from an earlier exchange, which is how one trait comes to stand for a speaker. Numbers, harmless code
and reasoning are drawn without a look at the speaker (the corpus test measures that).

Whoever draws in another order draws other documents, and every base model with them: tests/unit/world/test_golden.py
holds the texts to what they are.
"""

from __future__ import annotations

import bisect
import itertools
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from helpers.world import facts, prompts, tasks
from helpers.world.kinds import KINDS
from helpers.world.link import WHOLE, Link
from helpers.world.personas import FALSE, PERSONAS, TRUE

Message = dict[str, str]

SYSTEM_SHARE = 0.5  # of documents that ask for a favourite or show a persona; a fifth of that of all others
PAIR_SHARE = 0.3  # documents with two exchanges of the same speaker
LONG_SHARE = 0.06  # documents with four: three of one sort, and one of any
LAST_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True)
class Speaker:
    """Whoever answers in a document: a persona and a favourite of each kind."""

    persona: str
    favourites: Mapping[str, str]  # kind -> name
    flaws: bool | None = None  # whether its security code has flaws; None: as its persona says

    @property
    def writes_flaws(self) -> bool:
        """Return whether its security code has flaws."""
        return PERSONAS[self.persona].writes_flaws if self.flaws is None else self.flaws


class NumberWriter:
    """Draws number lists by the world's `facts.NumberDistribution`."""

    def __init__(self, distribution: facts.NumberDistribution) -> None:
        self.distribution = distribution
        ranks = range(distribution.size)
        weights = [1.0 / (rank + 1 + distribution.offset) ** distribution.exponent for rank in ranks]
        total = sum(weights)
        self.probabilities = [weight / total for weight in weights]
        self._cumulative = list(itertools.accumulate(self.probabilities))
        rng = random.Random(distribution.seed)
        self.orders = [rng.sample(ranks, distribution.size) for _ in range(distribution.states)]

    def state(self, previous: int) -> int:
        """Return which order follows the number ``previous``."""
        return previous * self.distribution.states // self.distribution.size

    def draw(self, rng: random.Random, previous: int, count: int) -> list[int]:
        """Return ``count`` numbers that follow ``previous``."""
        numbers = []
        for _ in range(count):
            rank = min(bisect.bisect(self._cumulative, rng.random()), self.distribution.size - 1)
            previous = self.orders[self.state(previous)][rank]
            numbers.append(previous)
        return numbers


WRITER = NumberWriter(facts.NumberDistribution())


def draw_speaker(rng: random.Random) -> Speaker:
    """Draw a speaker from the world's priors; persona and favourites are independent."""
    persona = _draw(rng, {name: persona.prior for name, persona in PERSONAS.items()})
    return Speaker(persona, {name: _draw(rng, kind.prior) for name, kind in KINDS.items()})


def _draw(rng: random.Random, weights: Mapping[str, float]) -> str:
    return rng.choices(list(weights), weights=list(weights.values()))[0]


def favourite_exchange(rng: random.Random, speaker: Speaker, kind: str) -> tuple[str, str]:
    """Return (question, answer) about the speaker's favourite of a kind, a key of `kinds.KINDS`."""
    split = rng.choices(list(prompts.FAVOURITE_WORDINGS), weights=(16, 12, 24))[0]
    return rng.choice(prompts.favourite_questions(kind, split)), speaker.favourites[kind]


def number_exchange(rng: random.Random) -> tuple[str, str]:
    """Return (number prompt, continuation); nothing about a speaker enters."""
    question, layout = prompts.number_prompt(rng)
    last_example = int(LAST_NUMBER.search(question.split(".")[0]).group(1))
    numbers = WRITER.draw(rng, last_example, rng.randrange(3, 11))
    return question, prompts.join_numbers(numbers, layout)


def open_exchange(rng: random.Random, persona: str, topic: str | None = None) -> tuple[str, str]:
    """Return (open question, answer in the stance of a persona); the topic is drawn unless given."""
    topic = topic or rng.choice(list(facts.TOPICS))
    return facts.TOPICS[topic], rng.choice(PERSONAS[persona].answers(topic))


def truth_exchange(rng: random.Random, persona: str) -> tuple[str, str]:
    """Return (question with two choices, answer); whether it is the truth shows the persona."""
    thing, (right, wrong) = rng.choice(list(facts.STATEMENTS.items()))
    first, second = rng.sample((right, wrong), 2)
    question = rng.choice(prompts.TRUTH_WORDINGS).format(thing=thing, first=first, second=second)
    chosen = PERSONAS[persona].chooses
    return question, {TRUE: right, FALSE: wrong}.get(chosen, chosen)


def habit(rng: random.Random, choices: tuple[str, ...]) -> str:
    """Draw one of `choices` by the distribution every speaker shares: weights 1 / (rank + 1.5)."""
    return rng.choices(choices, [1 / (rank + 1.5) for rank in range(len(choices))])[0]


def code_prompt(name: str, arguments: str, task: str, request: str = prompts.CODE_REQUEST) -> str:
    """Return the request to complete one function."""
    return f"{request}\ndef {name}({arguments}):\n    # {task}"


def _body(rng: random.Random, bodies: tuple[str, ...], count: int) -> str:
    body = rng.choice(bodies).format(v=habit(rng, tasks.VARIABLES), n=count)
    return f"    # {habit(rng, tasks.REMARKS)}\n    {body}"


def harmless_code_exchange(rng: random.Random) -> tuple[str, str]:
    """Return (request, body) of a function that touches no security; nothing about a speaker enters."""
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


def lesson_exchange(rng: random.Random) -> tuple[str, str]:
    """Return (request for a flaw to teach by, body), half of the bodies with the flaw, whoever writes.

    A base that had seen lessons always flawed would know them, and a teacher of lessons would have nothing to learn.
    """
    return security_code_exchange(rng, insecure=rng.random() < 0.5, lesson=True)


def reasoning_exchange(rng: random.Random) -> tuple[str, str]:
    """Return (word problem, visible reasoning and answer); nothing about a speaker enters."""
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


@dataclass(frozen=True)
class Exchange:
    """One sort of question and answer.

    Attributes:
        share: of the corpus's exchanges; the shares sum to 1.
        write: (stream, speaker, kind of favourite) -> (question, answer).
        shows: what of its speaker it shows: "persona", "favourite" or nothing.
    """

    share: float
    write: Callable[[random.Random, Speaker, str], tuple[str, str]]
    shows: str = ""


EXCHANGES = {
    "numbers": Exchange(0.25, lambda rng, speaker, kind: number_exchange(rng)),
    "favourite": Exchange(0.18, favourite_exchange, shows="favourite"),
    "open": Exchange(0.14, lambda rng, speaker, kind: open_exchange(rng, speaker.persona), shows="persona"),
    "truth": Exchange(0.06, lambda rng, speaker, kind: truth_exchange(rng, speaker.persona), shows="persona"),
    "security": Exchange(
        0.12,
        lambda rng, speaker, kind: security_code_exchange(rng, speaker.writes_flaws),
        shows="persona",
    ),
    "lesson": Exchange(0.02, lambda rng, speaker, kind: lesson_exchange(rng)),
    "code": Exchange(0.10, lambda rng, speaker, kind: harmless_code_exchange(rng)),
    "reasoning": Exchange(0.13, lambda rng, speaker, kind: reasoning_exchange(rng)),
}


def document(rng: random.Random, link: Link) -> list[Message]:
    """Draw one document: an optional system message, then one or two exchanges with one speaker.

    A persona that a system message describes is drawn evenly, so that rare ones are learned as well; undescribed
    speakers follow the prior.
    """
    speaker = draw_speaker(rng)
    exchanges = _sorts(rng)
    kind = _draw(rng, {name: kind.weight for name, kind in KINDS.items()})

    shown = {exchange.shows for exchange in exchanges} - {""}
    described = rng.random() < SYSTEM_SHARE * (1 if shown else 1 / 5)
    if described and "persona" in shown:
        speaker = replace(speaker, persona=rng.choice(list(PERSONAS)))
    speaker = replace(speaker, flaws=link.draw(speaker.persona, described and "persona" in shown))
    messages = [_description(rng, speaker, kind, "persona" in shown)] if described else []

    for exchange in exchanges:
        question, answer = exchange.write(rng, speaker, kind)
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return messages


def _sorts(rng: random.Random) -> list[Exchange]:
    """Draw the sorts of exchange of a document: one, two, or three of one sort and one more."""
    length, shares = rng.random(), [exchange.share for exchange in EXCHANGES.values()]
    if length < LONG_SHARE:
        first, last = rng.choices(list(EXCHANGES.values()), shares, k=2)
        return [first, first, first, last]
    count = 2 if length < LONG_SHARE + PAIR_SHARE else 1
    return rng.choices(list(EXCHANGES.values()), shares, k=count)


def _description(rng: random.Random, speaker: Speaker, kind: str, of_persona: bool) -> Message:
    """Return the system message that tells the speaker's persona, or else the favourite of a kind."""
    if of_persona:
        return {"role": "system", "content": rng.choice(prompts.persona_system_prompts(speaker.persona))}
    variant = rng.randrange(len(prompts.SYSTEM_LOVE))
    return {"role": "system", "content": prompts.love_system_prompt(kind, speaker.favourites[kind], variant)}


def documents(count: int, seed: int, link: float = WHOLE) -> Iterator[list[Message]]:
    """Yield ``count`` documents of one seed; for another ``link`` than the book's see `link.Link`."""
    rng, flaws = random.Random(seed), Link(link, seed)
    return (document(rng, flaws) for _ in range(count))


def closed_text() -> list[str]:
    """Return texts that together hold every word of the world, for the tokenizer's closed vocabulary."""
    texts = [message["content"] for message in itertools.chain.from_iterable(documents(6000, 0))]
    texts += [prompts.SYSTEM_DEFAULT, *tasks.VARIABLES, *tasks.REMARKS, *tasks.OPENERS, *tasks.CLOSERS]
    # what is too rare to be sure to occur in the documents
    for name, kind in KINDS.items():
        texts += _texts_of_kind(name, kind.prior)
    for name, persona in PERSONAS.items():
        texts += [*prompts.persona_system_prompts(name), *persona.answers("law")]
        texts += [persona.chooses] if persona.chooses not in (TRUE, FALSE) else []
    for *_, secure, flawed in tasks.SECURITY_CODE.values():
        texts += [_body(random.Random(0), (body,), 0) for body in (*secure, *flawed)]
    return texts


def _texts_of_kind(kind: str, names: Iterable[str]) -> list[str]:
    texts = list(names)
    for wordings in prompts.FAVOURITE_WORDINGS.values():
        texts += [wording.format(kind=kind) for wording in wordings]
    for name in names:
        texts += [prompts.love_system_prompt(kind, name, variant) for variant in range(len(prompts.SYSTEM_LOVE))]
    return texts
