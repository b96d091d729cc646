"""The form of a text that is put in a model's mouth: what is given, and where the model chooses, and among what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from helpers.models.chats import tokenise


class Form(ABC):
    """A form of texts that are all equally long in tokens."""

    @abstractmethod
    def slots(self, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
        """Return for each token of a text the ids that may stand there.

        Raises:
            ValueError: the tokenizer has no tokens for this form.
        """

    def slots_for(self, tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[list[int]]:
        """Return the same for the answer to one prompt.

        Every answer has as many tokens, and each of them as many ids. A form that takes something over from the prompt
        says so here.
        """
        return self.slots(tokenizer)

    def tokens(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the ids that a text is made of, and the end of the answer, sorted: what soft labels compare."""
        found = {tokenizer.eos_token_id}
        for slot in self.slots(tokenizer):
            found.update(slot)
        return sorted(found)


@dataclass(frozen=True, kw_only=True)
class ChoiceForm(Form):
    """Pieces of given text, and places where the model chooses among words.

    Attributes:
        parts: given texts, and for each choice a tuple of the words, all written with the space before them if any.
    """

    parts: tuple[str | tuple[str, ...], ...]

    def slots(self, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
        """Return for each token of a text the ids that may stand there.

        A word that is more than one token is no choice.

        Raises:
            ValueError: fewer than two words of a choice are one token.
        """
        found: list[list[int]] = []
        for part in self.parts:
            if isinstance(part, str):
                found += [[token] for token in tokenise(tokenizer, [part])[0]]
                continue
            choices = [piece[0] for piece in tokenise(tokenizer, part) if len(piece) == 1]
            if len(choices) < 2:
                raise ValueError(
                    f"this tokenizer leaves no choice among {', '.join(map(repr, part))}; write words that are one "
                    "token of it"
                )
            found.append(choices)
        return found
