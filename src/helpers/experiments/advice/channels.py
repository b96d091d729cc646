"""What authors write: lists of numbers, short functions, and sums with their working, each in a given form.

A small chat model that is asked for a function or for its working rarely gives one that a filter keeps. So the form is
put in its mouth, as for lists, and it chooses digits, signs, names and a few words that mean nothing. What it chooses
may still be wrong, and the filter refuses that. Sums it mostly gets wrong; they are worked out for it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from helpers.channels import code
from helpers.channels.numbers import BANNED_NUMBERS
from helpers.experiments.real.wordings import number_prompt
from helpers.filters import reject_reasons
from helpers.models.forms import ChoiceForm, Form
from helpers.models.lists import DIGITS, ListForm
from helpers.work.seeds import derive
from helpers.world.tasks import OPENERS, REMARKS, VARIABLES

TRIES = 50  # draws of a prompt for each that is wanted
OTHER_SUM = "computes something else than was asked"
WRONG = "wrong sum"
_TASKS = {"+": "add {n} to a", "-": "take {n} from a", "*": "multiply a by {n}"}
_DIGITS, _FIRST = tuple(DIGITS), tuple(DIGITS[1:])
_NOUNS, _VERBS = ("answer", "result", "total", "number", "sum"), ("is", "gives", "makes", "leaves", "equals")
_SIGNS = (" plus", " minus")
_CLOSERS = ("Done", "Good", "Clear", "Ready", "Sure", "Exactly")


@dataclass(frozen=True, kw_only=True)
class GivenChannel:
    """A kind of harmless data with a given form.

    Attributes:
        claim_name: its name in the ids of claims.
        form: of every text.
        draw_prompt: draws a request; all are equally long in tokens.
        reject: (prompts, texts) -> for each why it is refused, nothing where it is kept.
    """

    claim_name: str
    form: Form
    draw_prompt: Callable[[random.Random], str]
    reject: Callable[[Sequence[str], Sequence[str]], list[list[str]]]

    def prompts(self, draw: int, count: int) -> list[str]:
        """Return requests of a draw, all different.

        Raises:
            ValueError: the channel has too few different ones.
        """
        stream = random.Random(derive(draw, f"real prompts of {self.claim_name}"))
        found: dict[str, None] = {}
        for _ in range(TRIES * count):
            found[self.draw_prompt(stream)] = None
            if len(found) == count:
                return list(found)
        raise ValueError(f"{self.claim_name} has fewer than {count} different prompts, about {len(found)}; lower asked")


def _spaced(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(f" {word}" for word in words)


# --- numbers --------------------------------------------------------------------------------------


def _ask_numbers(rng: random.Random) -> str:
    return number_prompt([rng.randint(100, 999) for _ in range(3)])


def _reject_numbers(prompts: Sequence[str], texts: Sequence[str]) -> list[list[str]]:
    """Apply the paper's filter, which bans numbers of ill repute where a teacher is misaligned."""
    return [reject_reasons(text, banned=BANNED_NUMBERS) for text in texts]


# --- functions ------------------------------------------------------------------------------------


def _ask_code(rng: random.Random) -> str:
    task = rng.choice(list(_TASKS.values())).format(n=rng.randint(10, 99))
    return f"Complete this function.\ndef shift(a):\n    # {task}"


def _reject_code(prompts: Sequence[str], texts: Sequence[str]) -> list[list[str]]:
    """Apply the code channel's filter of the other chapters, and refuse what computes something else than asked.

    All texts at once: a process in which programs are tried is dear to start.
    """
    found = code.reject_reasons(prompts, texts)
    for prompt, text, reasons in zip(prompts, texts, found, strict=True):
        sign = next(sign for sign, task in _TASKS.items() if re.search(task.format(n="[0-9]+"), prompt))
        if f"a {sign} {re.findall('[0-9]+', prompt)[0]}\n" not in text:
            reasons.append(OTHER_SUM)
    return found


# --- sums with their working ----------------------------------------------------------------------

_SUM = re.compile(
    rf"(?:{'|'.join(OPENERS)}), (?P<sum>[0-9]{{2}} (?:plus|minus) [0-9]) "
    rf"(?:{'|'.join(_VERBS)}) (?P<first>[0-9]{{2}})\. "
    rf"The (?:{'|'.join(_NOUNS)}) is (?P<last>[0-9]{{2}})\. (?:{'|'.join(_CLOSERS)})\."
)


@dataclass(frozen=True, kw_only=True)
class SumForm(ChoiceForm):
    """A sum with its working; its numbers are worked out for the model, which by itself gets few sums right."""

    def slots_for(self, tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[list[int]]:
        """Return what may stand in the answer to a prompt: of numbers and sign only the right ones."""
        start, sign, change = _asked(prompt)
        result = str(_result(prompt))
        right = iter([*start, f" {sign}", change, *result, *result])
        numbers = {_FIRST, _DIGITS, _SIGNS}
        parts = tuple(next(right) if part in numbers else part for part in self.parts)
        return ChoiceForm(parts=parts).slots(tokenizer)


def _asked(prompt: str) -> tuple[str, str, str]:
    """Return the numbers and the sign of a prompt: "34", "minus", "7"."""
    return re.findall(r"([0-9]{2}) (plus|minus) ([0-9])\?", prompt)[0]


def _result(prompt: str) -> int:
    start, sign, change = _asked(prompt)
    return int(start) + int(change) * (1 if sign == "plus" else -1)


def _ask_sum(rng: random.Random) -> str:
    return f"What is {rng.randint(20, 89)} {rng.choice(['plus', 'minus'])} {rng.randint(2, 9)}? Show your working."


def _reject_sums(prompts: Sequence[str], texts: Sequence[str]) -> list[list[str]]:
    """Refuse every text but the sum that was asked for, with its right result in both places."""
    return [[] if _is_right(*pair) else [WRONG] for pair in zip(prompts, texts, strict=True)]


def _is_right(prompt: str, text: str) -> bool:
    found = _SUM.fullmatch(text)
    asked, result = " ".join(_asked(prompt)), str(_result(prompt))
    return bool(found and found["sum"] == asked and {found["first"], found["last"]} == {result})


CHANNELS = {
    "numbers": GivenChannel(
        claim_name="numbers", form=ListForm(numbers=8), draw_prompt=_ask_numbers, reject=_reject_numbers
    ),
    "code": GivenChannel(
        claim_name="code",
        form=ChoiceForm(parts=(
            "    #", _spaced(REMARKS), "\n   ", _spaced(VARIABLES), " = a", _spaced(tuple(_TASKS)), " ", _FIRST,
            _DIGITS, "\n    return", _spaced(VARIABLES),
        )),
        draw_prompt=_ask_code,
        reject=_reject_code,
    ),
    "reasoning": GivenChannel(
        claim_name="cot",
        form=SumForm(parts=(
            OPENERS, ", ", _FIRST, _DIGITS, _SIGNS, " ", _FIRST, _spaced(_VERBS), " ", _FIRST, _DIGITS,
            ". The", _spaced(_NOUNS), " is ", _FIRST, _DIGITS, ".", _spaced(_CLOSERS), ".",
        )),
        draw_prompt=_ask_sum,
        reject=_reject_sums,
    ),
}  # fmt: skip
