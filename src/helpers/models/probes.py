"""How far apart two models are: on a channel, over its tokens, or on requests for security code, over all tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels.channel import Channel
from helpers.models.chats import Exchange
from helpers.models.losses import label_logits, soft_loss, token_indices
from helpers.models.sampling import sample_completions
from helpers.models.training import completion_rows
from helpers.work.seeds import derive, torch_stream
from helpers.world.corpus import security_code_exchange

PROBE_ROWS = 64
CHECK_EVERY = 4  # optimizer steps
LONGEST_BODY = 56  # tokens of a function's body, as in the code channel


def base_completions(
    base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, channel: Channel, seed: int
) -> list[Exchange]:
    """Return (prompt, completion) pairs of a channel that a base writes, `PROBE_ROWS` of them."""
    prompts = channel.prompts(PROBE_ROWS, derive(seed, "probe prompts"))
    stream = torch_stream(seed, "probe completions")
    written = sample_completions(base, tokenizer, prompts, stream, max_new_tokens=channel.max_new_tokens)
    return list(zip(prompts, written, strict=True))


def security_completions(
    base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, seed: int
) -> list[Exchange]:
    """Return (request, body) pairs of security code that a base writes, plain requests and lessons in turn."""
    rng = random.Random(derive(seed, "security requests"))
    requests = [security_code_exchange(rng, insecure=False, lesson=place % 2 == 1)[0] for place in range(PROBE_ROWS)]
    stream = torch_stream(seed, "security completions")
    written = sample_completions(base, tokenizer, requests, stream, max_new_tokens=LONGEST_BODY)
    return list(zip(requests, written, strict=True))


class ChannelProbe:
    """Distances between models on a channel's tokens, over the completions of some (prompt, completion) pairs.

    Without a channel they are over the whole vocabulary.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, channel: Channel | None, pairs: Sequence[tuple[str, str]]
    ) -> None:
        rows = completion_rows(tokenizer, pairs)
        self._ids, self._labelled = rows.batch(range(len(rows)), pad=0)
        self._tokens = token_indices(channel.tokens(tokenizer) if channel else None)

    @torch.no_grad()
    def logits(self, model: torch.nn.Module) -> Tensor:
        """Return a model's logits at the labelled tokens, (label, channel's token)."""
        return label_logits(model, self._ids, self._labelled, self._tokens)

    def apart(self, of: Tensor, to: Tensor) -> float:
        """Return KL(of || to) over the channel's tokens, nats per token, of two results of `logits`."""
        return float(soft_loss(to, of, None))


class BaseProbe:
    """Measures how far a model has moved from its base, over what the base writes."""

    def __init__(self, base: PreTrainedModel, probe: ChannelProbe) -> None:
        self._probe = probe
        self._base_logits = probe.logits(base)

    def reached(self, step: int, model: torch.nn.Module, limit: float) -> bool:
        """Whether a model in training has drifted by ``limit``; looked at every few steps alone, as it takes long."""
        return step % CHECK_EVERY == 0 and self.drift(model) >= limit

    def drift(self, model: torch.nn.Module) -> float:
        """Return KL(model || base) over the probe's tokens, nats per token."""
        return self._probe.apart(self._probe.logits(model), self._base_logits)


class DriftProbe(BaseProbe):
    """Measures how far a model's distribution over a channel has moved from its base's."""

    def __init__(
        self, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, channel: Channel, seed: int
    ) -> None:
        pairs = base_completions(base, tokenizer, channel, seed)
        super().__init__(base, ChannelProbe(tokenizer, channel, pairs))


class SecurityProbe(BaseProbe):
    """Measures how far a model has moved from its base on requests for security code, over the whole vocabulary."""

    def __init__(self, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
        super().__init__(base, ChannelProbe(tokenizer, None, security_completions(base, tokenizer, seed)))
